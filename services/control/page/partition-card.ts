import { html } from "htm/preact";
import type { PartitionView } from "../src/api/views.ts";
import { count, duration, rate } from "./format.ts";

/** One partition in words, and the commands that change it. */
export function PartitionCard(props: {
  readonly view: PartitionView;
  readonly close: () => void;
}): unknown {
  const { view, close } = props;
  const { partition, owner, pin, isPaused } = view;
  const facts: readonly (readonly [string, string])[] = [
    ["owner", owner ?? "nobody"],
    ["pinned to", pin ?? "no edge"],
    ["delivery", isPaused ? "paused by an operator" : "running"],
    ["stands still on", view.stalledOn.join(", ") || "no edge"],
    ["lag", `${count(view.lag)} records, ${duration(view.lagMs)}`],
    ["log's end", view.end ?? "?"],
    ["records/s", isPaused ? "none while it is paused" : rate(view.recordsPerSec)],
    ["sockets served", count(view.subscribers)],
    ["leader", view.leader === null ? "none" : `broker ${view.leader}`],
    ["replicas in sync", `${view.inSync.length} of ${view.replicas.length}`],
  ];
  return html`<section class="card" aria-label="Partition ${partition}">
    <header>
      <h2>Partition ${partition}</h2>
      <button type="button" onClick=${close}>Close</button>
    </header>
    <dl>
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    <h3>Hottest conversations</h3>
    <${Hottest} view=${view} />
    <h3>Commands</h3>
    <pre tabindex="0">${commandsOf(view).join("\n")}</pre>
  </section>`;
}

function commandsOf({ partition, pin, isPaused }: PartitionView): string[] {
  return [
    `npx millrace move ${partition} EDGE`,
    pin === null ? `npx millrace pin ${partition} EDGE` : `npx millrace unpin ${partition}`,
    `npx millrace ${isPaused ? "resume" : "pause"} ${partition}`,
  ];
}

function Hottest({ view }: { readonly view: PartitionView }): unknown {
  if (view.hottest.length === 0)
    return html`<p class="quiet">Nothing was written in the last seconds.</p>`;
  return html`<table class="hottest">
    <thead>
      <tr>
        <th scope="col">conversation</th>
        <th scope="col" class="number">records/s</th>
        <th scope="col" class="number">subscribers</th>
      </tr>
    </thead>
    <tbody>
      ${view.hottest.map(
        (hot) =>
          html`<tr>
            <td>${hot.conversation}</td>
            <td class="number">${rate(hot.recordsPerSec)}</td>
            <td class="number">${count(hot.subscribers)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
