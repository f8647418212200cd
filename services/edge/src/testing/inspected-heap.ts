import { must } from "@millrace/runtime";
import { freePort, waitFor } from "@millrace/testkit";
import { WebSocket } from "ws";

interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

/** The environment in which a process lets itself be inspected, and the port for it. */
export async function inspectable() {
  const port = await freePort();
  return { port, env: { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` } };
}

/** The heap of another process, through its inspector (the Chrome DevTools Protocol). */
export class InspectedHeap {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, Answer>();
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const answer = JSON.parse(data.toString()) as Answer;
      if (answer.id !== undefined) this.#answers.set(answer.id, answer);
    });
  }

  static async open(port: number): Promise<InspectedHeap> {
    const targets = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
    const [target] = targets as { readonly webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(must(target, "a process to inspect").webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return new InspectedHeap(socket);
  }

  /** What is left after a collection. */
  async usedBytes(): Promise<number> {
    await this.#ask("HeapProfiler.collectGarbage");
    return Number(await this.evaluate("process.memoryUsage().heapUsed"));
  }

  /** The value of an expression there. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.#ask("Runtime.evaluate", { expression, returnByValue: true });
    return result?.result?.value;
  }

  close(): void {
    this.#socket.close();
  }

  async #ask(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#asked;
    this.#socket.send(JSON.stringify({ id, method, params }));
    const answer = await waitFor(() => this.#answers.get(id), { what: `an answer to ${method}` });
    this.#answers.delete(id);
    return answer;
  }
}
