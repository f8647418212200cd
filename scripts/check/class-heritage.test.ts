import { expect, test } from "vitest";
import { classHeritage } from "./class-heritage.ts";
import { projectOf } from "./project.ts";

function lines(text: string): (number | undefined)[] {
  return classHeritage(projectOf({ "a.ts": text })).map(({ line }) => line);
}

test("a class that extends another is named", () => {
  expect(lines("const a = 1;\nexport class Edge extends EventEmitter {}")).toEqual([2]);
  expect(lines("class A<T> extends emitter.Base<T> {}")).toEqual([1]);
});

test("errors may extend errors, and types may extend types", () => {
  expect(lines("export class MissingPart extends Error {}")).toEqual([]);
  expect(lines("class Gone extends RefusedError {}")).toEqual([]);
  expect(lines("interface Log extends LogReader {}\nclass Box<T extends object> {}")).toEqual([]);
});
