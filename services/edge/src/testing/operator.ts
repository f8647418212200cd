import { waitFor } from "@millrace/testkit";
import type { EdgeStage, LocalEdge } from "./edge-stage.ts";
import { type HttpReply, ask } from "./http-client.ts";

/** Somebody whose token may use the admin port of an edge. */
export class Operator {
  readonly #port: number;
  readonly #token: string;

  private constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
  }

  static of(stage: EdgeStage, { edge }: LocalEdge): Promise<Operator> {
    return Operator.at(stage, edge.adminPort);
  }

  static async at(stage: EdgeStage, port: number): Promise<Operator> {
    const token = await stage.issuer.token({ sub: "olga", scope: "millrace:admin" });
    return new Operator(port, token);
  }

  call(method: "GET" | "PUT" | "POST" | "DELETE", path: string, body?: object): Promise<HttpReply> {
    return ask(this.#port, path, { token: this.#token, method, ...(body && { body }) });
  }

  async ban(user: string, untilMs?: number): Promise<void> {
    await this.#rule(
      `/v1/bans/${encodeURIComponent(user)}`,
      untilMs === undefined ? {} : { untilMs },
    );
  }

  async remove(user: string, c: string): Promise<void> {
    await this.#rule(`/v1/removals/${place(c, user)}`, {});
  }

  async begin(user: string, c: string, pos = "now"): Promise<string> {
    const answer = await this.#rule(`/v1/beginnings/${place(c, user)}`, { pos });
    return String(answer.json?.["pos"]);
  }

  async lift(kind: "bans" | "removals" | "beginnings", user: string, c?: string): Promise<void> {
    const name = c === undefined ? encodeURIComponent(user) : place(c, user);
    const { status, text } = await this.call("DELETE", `/v1/${kind}/${name}`);
    if (status !== 204) throw new Error(`not lifted: ${status} ${text}`);
  }

  /** Once this edge has read as many about that user. */
  async whenHolds(user: string, count: number): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      const { json } = await this.call("GET", `/v1/rulings?user=${encodeURIComponent(user)}`);
      return (json?.["rulings"] as readonly unknown[] | undefined)?.length === count;
    };
    await waitFor(isThere, { what: `${count} rulings about ${user}` });
  }

  async #rule(path: string, body: object): Promise<HttpReply> {
    const answer = await this.call("PUT", path, body);
    if (answer.status !== 200) throw new Error(`not ruled: ${answer.status} ${answer.text}`);
    return answer;
  }
}

function place(c: string, user: string): string {
  return `${encodeURIComponent(c)}/${encodeURIComponent(user)}`;
}

/** The body of a drain: as a literal it would look like a promise. */
export function thenBody(word: string): object {
  return JSON.parse(`{"then":"${word}"}`) as object;
}
