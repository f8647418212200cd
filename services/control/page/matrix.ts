import { html } from "htm/preact";
import type { EdgeView, PartitionView } from "../src/api/views.ts";
import { count, duration, milliseconds, rate } from "./format.ts";

export interface MatrixProps {
  readonly edges: readonly EdgeView[];
  readonly partitions: readonly PartitionView[];
  readonly chosen: number | undefined;
  readonly choose: (partition: number) => void;
}

/** Paler ones would not stand out from their signs. */
const HEAT_MIN = 0.7;

/** The keys that move through the partitions, and by how many. */
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * Edges × partitions: who owns what, and how each partition does. Signs and words say what colours
 * say. The heads of the columns are the keyboard's way through it: one stop for Tab, arrows from
 * there, Enter shows the partition.
 */
export function Matrix(props: MatrixProps): unknown {
  const { edges, partitions } = props;
  const busiest = Math.max(1, ...partitions.map(({ recordsPerSec }) => recordsPerSec));
  return html`<div
    class="matrix-frame"
    role="region"
    aria-label="Edges and partitions"
    tabindex="0"
  >
    <table class="matrix">
      <caption>
        Owners of partitions
        <span class="legend">
          <span><i class="cell owned">●</i> owns</span>
          <span><i class="cell owned">◆</i> pinned to it</span>
          <span><i class="cell pinned">◇</i> pinned, not there yet</span>
          <span><i class="cell paused">‖</i> paused</span>
          <span><i class="cell stalled">!</i> stands still</span>
        </span>
      </caption>
      <thead>
        <tr>
          <th scope="col" class="edge-head">Edge</th>
          <th scope="col" class="number">Clients</th>
          <th scope="col" class="number">p99</th>
          ${partitions.map((view, index) => html`<${Head} ...${props} view=${view} index=${index} />`)}
        </tr>
      </thead>
      <tbody>
        ${edges.map(
          (edge) =>
            html`<tr key=${edge.id}>
              <${EdgeHead} edge=${edge} />
              ${partitions.map(
                (view) => html`<${Cell} edge=${edge} view=${view} busiest=${busiest} />`,
              )}
            </tr>`,
        )}
      </tbody>
      <tfoot>
        <${Sums} name="records/s" partitions=${partitions} textOf=${textOfRate} />
        <${Sums} name="lag" partitions=${partitions} textOf=${textOfLag} />
        <${Sums} name="sockets" partitions=${partitions} textOf=${textOfSockets} />
      </tfoot>
    </table>
  </div>`;
}

function Head(
  props: MatrixProps & { readonly view: PartitionView; readonly index: number },
): unknown {
  const { partitions, chosen, choose, view, index } = props;
  const isChosen = view.partition === chosen;
  const isStop = isChosen || (chosen === undefined && index === 0);
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = nextIndex(event.key, { index, last: partitions.length - 1 });
    if (next === undefined) return;
    event.preventDefault();
    const heads = document.querySelectorAll<HTMLButtonElement>(".partition-head");
    heads[next]?.focus();
    const partition = partitions[next]?.partition;
    if (chosen !== undefined && partition !== undefined) choose(partition);
  };
  const state = view.owner === null ? "nobody owns it" : `owned by ${view.owner}`;
  return html`<th scope="col" class=${view.owner === null ? "ownerless" : ""}>
    <button
      class="partition-head"
      type="button"
      tabindex=${isStop ? 0 : -1}
      aria-pressed=${isChosen}
      aria-label="Partition ${view.partition}, ${state}"
      onClick=${() => choose(view.partition)}
      onKeyDown=${onKeyDown}
    >
      ${view.partition}
    </button>
  </th>`;
}

function nextIndex(
  key: string,
  { index, last }: { readonly index: number; readonly last: number },
): number | undefined {
  if (key === "Home") return 0;
  if (key === "End") return last;
  const step = STEPS[key];
  return step === undefined ? undefined : Math.min(last, Math.max(0, index + step));
}

function EdgeHead({ edge }: { readonly edge: EdgeView }): unknown {
  const { id, state, isReady, connections, connectionsMax, deliveryLatency } = edge;
  const isWell = state === "serving" && isReady;
  return html`<th scope="row" class="edge-head">
      <span class="edge-id">${id}</span>
      <span class="state ${isWell ? "good" : "warned"}"
        >${state === "serving" && !isReady ? "not ready" : state}</span
      >
    </th>
    <td class="number">
      ${count(connections)}
      <meter min="0" max=${connectionsMax} value=${connections} aria-hidden="true"></meter>
    </td>
    <td class="number">${milliseconds(deliveryLatency?.p99Ms)}</td>`;
}

function Cell(props: {
  readonly edge: EdgeView;
  readonly view: PartitionView;
  readonly busiest: number;
}): unknown {
  const { edge, view, busiest } = props;
  const isOwned = view.owner === edge.id;
  const isPinned = view.pin === edge.id;
  const isStalled = view.stalledOn.includes(edge.id);
  const [sign, words] = signOf(view, { isOwned, isPinned, isStalled });
  if (sign === "") return html`<td></td>`;
  const kind = isStalled ? "stalled" : view.isPaused ? "paused" : isOwned ? "owned" : "pinned";
  const heat = HEAT_MIN + (1 - HEAT_MIN) * Math.sqrt(view.recordsPerSec / busiest);
  const title = `partition ${view.partition} on ${edge.id}: ${words}`;
  return html`<td>
    <span class="cell ${kind}" style=${{ "--heat": heat.toFixed(2) }} title=${title}>
      <span aria-hidden="true">${sign}</span><span class="unseen">${words}</span>
    </span>
  </td>`;
}

function signOf(
  view: PartitionView,
  { isOwned, isPinned, isStalled }: Readonly<Record<"isOwned" | "isPinned" | "isStalled", boolean>>,
): readonly [sign: string, words: string] {
  if (isStalled) return ["!", "stands still"];
  if (view.isPaused && isOwned) return ["‖", "owned and paused"];
  if (isOwned) return isPinned ? ["◆", "owned, pinned"] : ["●", "owned"];
  return isPinned ? ["◇", "pinned, not owned"] : ["", ""];
}

function Sums(props: {
  readonly name: string;
  readonly partitions: readonly PartitionView[];
  readonly textOf: (view: PartitionView) => { readonly text: string; readonly isBad: boolean };
}): unknown {
  const { name, partitions, textOf } = props;
  return html`<tr>
    <th scope="row" colspan="3" class="edge-head">${name}</th>
    ${partitions.map((view) => {
      const { text, isBad } = textOf(view);
      return html`<td class="sum ${isBad ? "bad" : ""}">${text}</td>`;
    })}
  </tr>`;
}

/** From here on a lag is worth a look. */
const LAG_MS_BAD = 1_000;

/** Of what is paused none is delivered, whatever is written. */
function textOfRate({ recordsPerSec, isPaused }: PartitionView): { text: string; isBad: boolean } {
  return { text: isPaused ? "‖" : rate(recordsPerSec), isBad: false };
}

function textOfLag({ lag, lagMs }: PartitionView): { text: string; isBad: boolean } {
  const isBad = lag === null || (lagMs ?? 0) >= LAG_MS_BAD;
  return { text: isBad && lagMs !== null ? duration(lagMs) : count(lag), isBad };
}

function textOfSockets({ subscribers }: PartitionView): { text: string; isBad: boolean } {
  return { text: count(subscribers), isBad: false };
}
