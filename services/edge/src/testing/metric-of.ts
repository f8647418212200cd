/** Whatever serves a page of metrics. */
interface Measured {
  readonly metrics: string;
}

/** One series of an edge's page, named as it stands there, labels included; NaN: there is none. */
export async function metricOf(edge: Measured, series: string): Promise<number> {
  return (await pageOf(edge)).get(series) ?? Number.NaN;
}

/** What an edge says of each partition, by that metric. */
export async function byPartition(edge: Measured, name: string): Promise<Map<number, number>> {
  const values = new Map<number, number>();
  for (const [series, value] of await pageOf(edge)) {
    const partition = new RegExp(String.raw`^${name}\{partition="(\d+)"\}$`).exec(series)?.[1];
    if (partition !== undefined) values.set(Number(partition), value);
  }
  return values;
}

async function pageOf({ metrics }: Measured): Promise<Map<string, number>> {
  const page = await (await fetch(metrics)).text();
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}
