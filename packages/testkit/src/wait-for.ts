const POLL_MS = 20;

/** Waits until the condition gives something true; says what it waited for when it never does. */
export async function waitFor<Value>(
  condition: () => Value | Promise<Value>,
  options: { readonly what: string; readonly timeoutMs?: number },
): Promise<NonNullable<Exclude<Value, false>>> {
  const { what, timeoutMs = 60_000 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<Exclude<Value, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
