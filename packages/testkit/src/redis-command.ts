import { connect } from "node:net";

const ANSWER_MS = 5_000;

/**
 * One command by a connection of its own, as somebody with `redis-cli` gives it; the answer is the
 * server's text. Rejects with the server's error.
 */
export function redisCommand(port: number, ...words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const end = (answer: string | Error): void => {
      socket.destroy();
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    };
    let answer = "";
    socket.setTimeout(ANSWER_MS, () => end(new Error(`${words[0]}: no answer in time`)));
    socket.on("connect", () => socket.write(requestOf(words)));
    socket.on("error", end);
    socket.on("close", () => end(new Error(`${words[0]}: the connection was closed`)));
    socket.on("data", (data) => {
      answer += data.toString();
      if (!isWhole(answer)) return;
      end(answer.startsWith("-") ? new Error(answer.slice(1).trimEnd()) : answer);
    });
  });
}

/** RESP: an array of bulk strings. */
function requestOf(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/** A line, or a bulk string with its length in front; nothing else is asked for here. */
function isWhole(answer: string): boolean {
  const length = /^\$(\d+)\r\n/.exec(answer);
  if (length === null) return answer.endsWith("\r\n");
  return Buffer.byteLength(answer) >= length[0].length + Number(length[1]) + 2;
}
