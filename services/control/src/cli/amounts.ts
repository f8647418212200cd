/** Numbers for people, each with its unit. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function perSecond(value: number): string {
  return value < 100 ? value.toFixed(1) : count(value);
}

export function seconds(ms: number): string {
  const value = ms / 1_000;
  return value < 100 ? value.toFixed(1) : count(value);
}

export function share(value: number): string {
  return `${Math.round(value * 100)} %`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value: number): string {
  let rest = value;
  let unit = 0;
  while (rest >= 1_024 && unit < BYTE_UNITS.length - 1) {
    rest /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `90 s`, `5 min`, `3 h`, `12 d`: as long ago, or as long to go. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 120) return `${s} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** In the words of ISO 8601, to the second. */
export function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `10MB`, `512KiB`, `1000`: bytes, for what is given on a command line. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kKMG]i?)?B?(?:\/s)?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const step = unit.endsWith("i") ? 1_024 : 1_000;
  const power = ["", "K", "M", "G"].indexOf(unit.charAt(0).toUpperCase());
  const value = Math.round(Number(digits) * step ** power);
  return value > 0 && Number.isSafeInteger(value) ? value : undefined;
}
