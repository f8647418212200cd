import { html } from "htm/preact";

const KEY = "millrace-operator-token";

/** From the address's fragment, which no server is told, or from this tab's own store. */
export function knownToken(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    keepToken(given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

/** Asks who is looking: everything that the page shows needs an operator's token. */
export function TokenForm(props: {
  readonly why: string | undefined;
  readonly take: (token: string) => void;
}): unknown {
  const { why, take } = props;
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    const token = new FormData(event.target as HTMLFormElement).get("token");
    if (typeof token === "string" && token.trim() !== "") take(token.trim());
  };
  return html`<main class="entry">
    <h1>Millrace</h1>
    ${why !== undefined && html`<p role="alert" class="bad">Not let in: ${why}.</p>`}
    <form onSubmit=${onSubmit}>
      <label for="token">An operator's token (scope <code>millrace:admin</code>)</label>
      <textarea id="token" name="token" rows="4" required spellcheck="false" autofocus></textarea>
      <button type="submit">Look</button>
    </form>
    <p class="quiet">
      In a checkout: <code>npm run -s token -- olga --scope millrace:admin</code>. It stays in this
      tab.
    </p>
  </main>`;
}
