/** One series of an edge's page, named as it stands there, labels included; NaN: there is none. */
export async function metricOf(
  { metrics }: { readonly metrics: string },
  series: string,
): Promise<number> {
  const page = await (await fetch(metrics)).text();
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length));
}
