import { afterEach, describe, expect, it, vi } from "vitest";
import { type FeedListener, followFeed } from "./live-feed.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

const IGNORED: FeedListener = {
  status: () => undefined,
  partitions: () => undefined,
  audit: () => undefined,
  link: () => undefined,
};

/** A stream of a browser that can read it, and not iterate it. */
function bodyOf(...texts: readonly string[]) {
  const left = [...texts];
  const body = {
    isCancelled: false,
    getReader: () => ({
      read: async () => {
        const text = left.shift();
        return text === undefined
          ? { done: true, value: undefined }
          : { done: false, value: new TextEncoder().encode(text) };
      },
      cancel: async () => {
        body.isCancelled = true;
      },
    }),
  };
  return body;
}

describe("the live page's feed", () => {
  it("is read in browsers that can't iterate a stream, and hung up on when it is over", async () => {
    const body = bodyOf('event: status\ndata: {"topic":"t"}\n', "\nevent: expired\ndata: {}\n\n");
    vi.stubGlobal("fetch", async () => ({ ok: true, status: 200, body }));
    const told: unknown[] = [];
    const listener: FeedListener = {
      ...IGNORED,
      status: (status) => told.push(status),
      link: (state, why) => told.push([state, why]),
    };
    await followFeed("token", listener, new AbortController().signal);
    expect(told).toEqual([
      ["open", undefined],
      { topic: "t" },
      ["refused", "the token has expired"],
    ]);
    expect(body.isCancelled).toBe(true);
  });
});
