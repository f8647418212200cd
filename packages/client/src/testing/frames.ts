import type { DownFrame, MsgFrame } from "@millrace/schemas";

const ROOM = "room:1";

/** The position of the n-th message of the room; 0 stands before everything. */
export function at(n: number): string {
  return `AAAAAAAA.0.${n}`;
}

/** The n-th message; `prev` unless told otherwise that of the one before. */
export function msg(n: number, fields: Partial<MsgFrame> = {}): MsgFrame {
  return {
    t: "msg",
    c: ROOM,
    pos: at(n),
    prev: at(n - 1),
    id: `m-${n}`,
    from: "bob",
    ts: n,
    type: "text/plain",
    body: `text ${n}`,
    ...fields,
  };
}

export function messages(from: number, to: number): MsgFrame[] {
  return Array.from({ length: to - from + 1 }, (_, index) => msg(from + index));
}

export function subd(id: number | undefined, n: number, head = n): DownFrame {
  return { t: "subd", id: id ?? -1, c: ROOM, pos: at(n), head: at(head) };
}

export function live(n: number): DownFrame {
  return { t: "live", c: ROOM, pos: at(n) };
}
