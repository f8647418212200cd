import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { projectOf } from "./project.ts";
import { protocolCodes } from "./protocol-codes.ts";

const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

function messages(text: string): string[] {
  return protocolCodes(projectOf({ "docs/protocol.md": text })).map(({ message }) => message);
}

test("the protocol names exactly the codes of the error table", () => {
  expect(messages(protocol)).toEqual([]);
});

test("a code that the protocol loses is missed", () => {
  expect(messages(protocol.replaceAll("`not-subscribed`, ", ""))).toEqual([
    "does not name not-subscribed",
  ]);
  expect(messages(protocol.replace(/^\| 4458.*\n/m, ""))).toEqual(["does not name 4458"]);
});

test("a code that only the protocol has is named", () => {
  expect(messages(protocol.replace("`internal`. ", "`internal`, `too-late`. "))).toEqual([
    "names too-late, which the error table does not have",
  ]);
});
