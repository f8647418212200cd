import { html, render } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import type { PartitionView, StatusView } from "../src/api/views.ts";
import { timeOfDay } from "./format.ts";
import { type Happening, changesBetween, happeningOf, withNews } from "./happenings.ts";
import { followFeed } from "./live-feed.ts";
import { Matrix } from "./matrix.ts";
import { Happenings, Problems } from "./notices.ts";
import { PartitionCard } from "./partition-card.ts";
import { type Sample, sampleOf, withSample } from "./samples.ts";
import { Tiles } from "./tiles.ts";
import { TokenForm, forgetToken, keepToken, knownToken } from "./token-form.ts";

interface Live {
  readonly status: StatusView | undefined;
  readonly partitions: readonly PartitionView[];
  readonly samples: readonly Sample[];
  readonly news: readonly Happening[];
  /** Undefined: the line is open. */
  readonly lost: string | undefined;
}

const NOTHING: Live = {
  status: undefined,
  partitions: [],
  samples: [],
  news: [],
  lost: "connecting",
};

function Page(): unknown {
  const [token, setToken] = useState<string | undefined>(knownToken());
  const [why, setWhy] = useState<string | undefined>(undefined);
  const refuse = (reason: string): void => {
    forgetToken();
    setWhy(reason);
    setToken(undefined);
  };
  const take = (given: string): void => {
    keepToken(given);
    setWhy(undefined);
    setToken(given);
  };
  if (token === undefined) return html`<${TokenForm} why=${why} take=${take} />`;
  return html`<${Board} token=${token} refuse=${refuse} />`;
}

function Board(props: { readonly token: string; readonly refuse: (why: string) => void }): unknown {
  const live = useLive(props);
  const [chosen, choose] = useState<number | undefined>(undefined);
  useEffect(() => {
    const onKey = ({ key }: KeyboardEvent): void => {
      if (key === "Escape") choose(undefined);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const { status, partitions, samples, news, lost } = live;
  if (status === undefined) return html`<main class="entry"><p role="status">${lost}…</p></main>`;
  const view = partitions.find(({ partition }) => partition === chosen);
  return html`<${Head} status=${status} lost=${lost} />
    <main class=${lost === undefined ? "" : "stale"}>
      <${Tiles} samples=${samples} />
      <${Problems} status=${status} />
      <${Matrix} edges=${status.edges} partitions=${partitions} chosen=${chosen} choose=${choose} />
      <div class="lower">
        ${view !== undefined && html`<${PartitionCard} view=${view} close=${() => choose(undefined)} />`}
        <${Happenings} news=${news} />
      </div>
    </main>`;
}

function Head({ status, lost }: { readonly status: StatusView; readonly lost?: string }): unknown {
  const { topic, delivery, group, kafka, takenAtMs, edges, totals } = status;
  const brokers = kafka.isUp ? `Kafka brokers ${kafka.brokers}` : "Kafka is away";
  return html`<header class="head">
    <h1>Millrace</h1>
    <p>
      ${topic} · ${totals.partitions} partitions · ${edges.length} edges · delivery ${delivery} ·
      group ${" "}${group.state} · ${brokers}
    </p>
    <p class="link ${lost === undefined ? "good" : "bad"}" role="status">
      ${lost === undefined ? "● live" : `○ ${lost}; shown is what was at`}${" "}
      <time>${timeOfDay(takenAtMs)}</time>
    </p>
    <button type="button" onClick=${toggleTheme}>Light / dark</button>
  </header>`;
}

function useLive({ token, refuse }: Parameters<typeof Board>[0]): Live {
  const [live, setLive] = useState<Live>(NOTHING);
  useEffect(() => {
    const over = new AbortController();
    const listener = {
      status: (status: StatusView) =>
        setLive((now) => ({
          ...now,
          status,
          samples: withSample(now.samples, sampleOf(status)),
        })),
      partitions: (partitions: readonly PartitionView[]) =>
        setLive((now) => {
          const changes = changesBetween(now.partitions, partitions, Date.now());
          return { ...now, partitions, news: withNews(now.news, changes) };
        }),
      audit: (entry: Parameters<typeof happeningOf>[0]) =>
        setLive((now) => ({ ...now, news: withNews(now.news, [happeningOf(entry)]) })),
      link: (state: "open" | "lost" | "refused", reason = "the line is lost") => {
        if (state === "refused") return refuse(reason);
        const lost = state === "open" ? undefined : reason;
        setLive((now) => ({ ...now, lost }));
      },
    };
    void followFeed(token, listener, over.signal);
    return () => over.abort();
  }, [token]);
  return live;
}

/** The system's wish holds until somebody says otherwise here. */
function toggleTheme(): void {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset["theme"] = isDark ? "light" : "dark";
}

const place = document.querySelector<HTMLElement>("#page");
if (place !== null) render(html`<${Page} />`, place);
