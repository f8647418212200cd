import { html } from "htm/preact";
import { count, milliseconds, rate } from "./format.ts";
import { type Sample, SAMPLES_MAX } from "./samples.ts";

const WIDTH = 160;
const HEIGHT = 34;

interface Tile {
  readonly name: string;
  readonly note: string;
  readonly valueOf: (sample: Sample) => number | null;
  readonly text: (value: number | null) => string;
}

const TILES: readonly Tile[] = [
  {
    name: "Connections",
    note: "open WebSockets",
    valueOf: ({ connections }) => connections,
    text: count,
  },
  {
    name: "Publishes",
    note: "acknowledged a second",
    valueOf: ({ publishesPerSec }) => publishesPerSec,
    text: (value) => rate(value ?? 0),
  },
  {
    name: "Deliveries",
    note: "to subscribers a second",
    valueOf: ({ deliveriesPerSec }) => deliveriesPerSec,
    text: (value) => rate(value ?? 0),
  },
  {
    name: "Publish p99",
    note: "frame to acknowledgement, slowest edge",
    valueOf: ({ publishP99Ms }) => publishP99Ms,
    text: milliseconds,
  },
  {
    name: "Delivery p99",
    note: "append to socket, slowest edge",
    valueOf: ({ deliveryP99Ms }) => deliveryP99Ms,
    text: milliseconds,
  },
];

/** The totals, each with its last five minutes. */
export function Tiles({ samples }: { readonly samples: readonly Sample[] }): unknown {
  const last = samples.at(-1);
  return html`<ul class="tiles">
    ${TILES.map(({ name, note, valueOf, text }) => {
      const values = samples.map(valueOf);
      return html`<li class="tile">
        <span class="tile-name">${name}</span>
        <strong class="tile-value">${last === undefined ? "–" : text(valueOf(last))}</strong>
        <${Line} values=${values} />
        <span class="tile-note">${note}</span>
      </li>`;
    })}
  </ul>`;
}

/** What it shows stands beside it as a number, so it says nothing to who can't see it. */
function Line({ values }: { readonly values: readonly (number | null)[] }): unknown {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const stepX = WIDTH / (SAMPLES_MAX - 1);
  const shiftX = WIDTH - (values.length - 1) * stepX;
  let isDrawing = false;
  const path = values
    .map((value, index) => {
      if (value === null) {
        isDrawing = false;
        return "";
      }
      const x = (shiftX + index * stepX).toFixed(1);
      const y = (HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1);
      const command = isDrawing ? "L" : "M";
      isDrawing = true;
      return `${command}${x} ${y}`;
    })
    .join("");
  return html`<svg
    class="line"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    preserveAspectRatio="none"
    aria-hidden="true"
  >
    <path d=${path || "M0 0"} />
  </svg>`;
}
