import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type UserId,
  dmConversation,
  inboxConversation,
  parseConversation,
  parseUserId,
} from "./conversation.ts";

const user = (id: string): UserId => id as UserId;

describe("a conversation id", () => {
  it.each(["room:42", "a", "*", "[x]", "..", "a.b", "a_b", "会話", "🌸", "x".repeat(200), "room:"])(
    "%j is one",
    (text) => {
      expect(parseConversation(text)?.kind).toEqual({ kind: "free" });
    },
  );

  it.each([
    ["nothing", ""],
    ["too long", "x".repeat(201)],
    ["too long in bytes", "€".repeat(67)],
    ["a NUL", "room:\u0000"],
    ["a line break", "room:\n"],
    ["a DEL", "room:\u007f"],
    ["a C1 control", "room:\u0085"],
    ["a lone surrogate", "room:\ud800"],
    ["an incomplete dm", "dm:a"],
    ["a dm of three", "dm:a:b:c"],
    ["a dm in the wrong order", "dm:b:a"],
    ["a dm in lower-case hex", "dm:a%c3%a9:b"],
    ["a dm encoded without need", "dm:%61:b"],
    ["a dm not encoded", "dm:a@x:b"],
    ["a dm of nobody", "dm::b"],
    ["an inbox of nobody", "inbox:"],
    ["an inbox not encoded", "inbox:a b"],
    ["a number", 7],
  ])("%s is none", (_, text) => {
    expect(parseConversation(text)).toBeUndefined();
  });

  it("never joins two pairs of people in one", () => {
    expect(dmConversation(user("a"), user("b:c"))).toBe("dm:a:b%3Ac");
    expect(dmConversation(user("a:b"), user("c"))).toBe("dm:a%3Ab:c");
    const anyUser = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((id) => parseUserId(id) === id);
    fc.assert(
      fc.property(anyUser, anyUser, anyUser, anyUser, (a, b, c, d) => {
        const [one, two] = [dmConversation(user(a), user(b)), dmConversation(user(c), user(d))];
        const isSamePair = [a, b].toSorted().join("\0") === [c, d].toSorted().join("\0");
        expect(one === two).toBe(isSamePair);
        const kind = parseConversation(one)?.kind;
        expect(kind?.kind === "dm" && kind.users.toSorted()).toEqual([a, b].toSorted());
      }),
    );
  });

  it("gives each user one inbox", () => {
    expect(parseConversation(inboxConversation(user("a:b é")))?.kind).toEqual({
      kind: "inbox",
      user: "a:b é",
    });
    expect(parseConversation("sys:anything")?.kind).toEqual({ kind: "system" });
  });
});

describe("a user id", () => {
  it("has at most 90 bytes in percent-encoded form", () => {
    expect(parseUserId("x".repeat(90))).toBe("x".repeat(90));
    expect(parseUserId("x".repeat(91))).toBeUndefined();
    expect(parseUserId("é".repeat(15))).toBe("é".repeat(15));
    expect(parseUserId("é".repeat(16))).toBeUndefined();
    expect(parseUserId("")).toBeUndefined();
    expect(parseUserId("\ud800")).toBeUndefined();
    expect(parseUserId(7)).toBeUndefined();
  });

  it("fits into a conversation with any other", () => {
    const longest = dmConversation(user("x".repeat(90)), user("y".repeat(90)));
    expect(parseConversation(longest)).toBeDefined();
  });
});
