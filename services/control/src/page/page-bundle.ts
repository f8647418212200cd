import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** One file of the live page, as a browser gets it. */
export interface PageFile {
  readonly type: string;
  readonly body: string;
}

const FOLDER = new URL("../../page/", import.meta.url);

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  js: "text/javascript; charset=utf-8",
};

/**
 * The files of the live page by their paths. The code is bundled from its sources once, at the start, so that
 * nobody has to build anything, and the page needs no other host than control.
 */
export async function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const [index, style, icon, code] = await Promise.all([
    source("index.html"),
    source("page.css"),
    source("icon.svg"),
    bundle(),
  ]);
  return new Map([
    ["/", file("html", index)],
    ["/page.css", file("css", style)],
    ["/icon.svg", file("svg", icon)],
    ["/page.js", file("js", code)],
  ]);
}

function file(kind: keyof typeof TYPES, body: string): PageFile {
  return { type: TYPES[kind] ?? "application/octet-stream", body };
}

function source(name: string): Promise<string> {
  return readFile(new URL(name, FOLDER), "utf8");
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", FOLDER))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
