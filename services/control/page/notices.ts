import { html } from "htm/preact";
import type { StatusView } from "../src/api/views.ts";
import { timeOfDay } from "./format.ts";
import type { Happening } from "./happenings.ts";

/** What somebody should look at; says also that there is nothing. */
export function Problems({ status }: { readonly status: StatusView }): unknown {
  const { problems } = status;
  return html`<section aria-labelledby="problems" class="problems">
    <h2 id="problems">To look at</h2>
    ${
      problems.length === 0
        ? html`<p class="good">✓ Nothing: all that answers is well.</p>`
        : html`<ul>
            ${problems.map(
              ({ severity, what, advice }) =>
                html`<li class=${severity}>
                  <strong>${severity === "critical" ? "✗" : "!"} ${what}</strong>
                  <span>${advice}</span>
                </li>`,
            )}
          </ul>`
    }
  </section>`;
}

/** Moves and calls as they happen; read out by screen readers as they come. */
export function Happenings({ news }: { readonly news: readonly Happening[] }): unknown {
  return html`<section aria-labelledby="news" class="news">
    <h2 id="news">As it happens</h2>
    ${news.length === 0 && html`<p class="quiet">Nothing has moved since this page was opened.</p>`}
    <ol aria-live="polite" aria-relevant="additions">
      ${news.map(
        ({ atMs, kind, text }) =>
          html`<li key=${`${atMs} ${text}`} class=${kind}>
            <time datetime=${new Date(atMs).toISOString()}>${timeOfDay(atMs)}</time> ${text}
          </li>`,
      )}
    </ol>
  </section>`;
}
