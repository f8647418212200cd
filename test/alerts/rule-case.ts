/**
 * What Prometheus scraped: a series, and its values in promtool's notation, one for each 30 s. A series
 * that is not on a page any more is `stale`; where nobody could be asked there is nothing, `_`.
 */
export type Series = Readonly<Record<string, string>>;

/** What is so, and whether an alert fires then. */
export interface Situation {
  readonly series: Series;
  /** From the first value on. */
  readonly at: string;
  /** Rules are evaluated so often instead of every 30 s, where hours are to pass. */
  readonly step?: string;
}

export interface AlertCase {
  readonly alert: string;
  readonly severity: "page" | "ticket";
  /** Labels of the alert that fires, besides its name and severity. */
  readonly labels: Readonly<Record<string, string>>;
  readonly fires: Situation;
  /** Just not enough, or what is similar and no trouble, each with what it is. */
  readonly quiet: Readonly<Record<string, Situation>>;
}
