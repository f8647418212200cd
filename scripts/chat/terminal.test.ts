import { expect, it } from "vitest";
import { Terminal } from "./terminal.ts";

function written(isTTY: boolean, act: (terminal: Terminal) => void): string {
  let text = "";
  const output = { isTTY, write: (more: string) => (text += more) };
  act(new Terminal({ user: "alice", input: { isTTY }, output }));
  return text;
}

const MESSAGE = { c: "room:1", pos: "AAAAAAAA.0.1", id: "m", ts: 0, type: "text/plain" };

it("the text of others never steers the terminal", () => {
  const hostile = { ...MESSAGE, from: "eve\u001B[2J", body: "a\u001B]0;title\u0007b\r\u202Ec" };
  const text = written(false, (terminal) => terminal.tellMessage(hostile));
  expect(text).toMatch(/^\d\d:\d\d /);
  expect(text.slice(6)).toBe("eve\\u{1b}[2J: a\\u{1b}]0;title\\u{7}b\\u{d}\\u{202e}c\n");
});

it("colours are for terminals only", () => {
  const own = { ...MESSAGE, from: "alice", body: "hello" };
  expect(written(false, (terminal) => terminal.tellMessage(own))).not.toContain("\u001B");
  expect(written(true, (terminal) => terminal.tellMessage(own))).toContain(
    "\u001B[1malice\u001B[0m",
  );
});

it("what is gone and when it tries again is said in so many words", () => {
  const gap = { after: "AAAAAAAA.0.1", pos: "AAAAAAAA.0.9", reason: "expired", missed: 8 } as const;
  const text = written(false, (terminal) => terminal.tellGap(gap));
  expect(text).toBe("— 8 messages are not available any more (expired) —\n");
});
