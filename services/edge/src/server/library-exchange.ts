import { STATUS_CODES } from "node:http";
import type { BodyOutcome, HttpAnswer, HttpExchange } from "../http/http-exchange.ts";

/** What of the library's request is used; it is gone when the handler has returned. */
export interface LibraryRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(take: (name: string, value: string) => void): void;
}

/** What of the library's response is used; it is gone once it was aborted. */
export interface LibraryResponse {
  getRemoteAddressAsText(): ArrayBuffer;
  onAborted(listener: () => void): unknown;
  onData(listener: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  cork(write: () => void): unknown;
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string): unknown;
  end(body: string, closesConnection: boolean): unknown;
  endWithoutBody(contentLength?: number): unknown;
}

/**
 * An HTTP exchange over the library. Its rules are kept here: the request is read at once, memory
 * of the body is copied, and a response is touched neither after it was aborted nor after its end.
 */
export class LibraryExchange implements HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly address: string;
  readonly #response: LibraryResponse;
  readonly #abort = new AbortController();
  #isOver = false;

  constructor(response: LibraryResponse, request: LibraryRequest) {
    this.#response = response;
    this.method = request.getCaseSensitiveMethod();
    this.path = request.getUrl();
    this.query = request.getQuery() ?? "";
    this.headers = headersOf(request);
    this.address = Buffer.from(response.getRemoteAddressAsText()).toString();
    response.onAborted(() => {
      this.#isOver = true;
      this.#abort.abort();
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  readBody(bytesMax: number): Promise<BodyOutcome> {
    return new Promise((resolve) => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      this.signal.addEventListener("abort", () => resolve({ kind: "aborted" }));
      this.#response.onData((chunk, isLast) => {
        bytes += chunk.byteLength;
        // What comes beyond it is taken from the socket and forgotten.
        if (bytes > bytesMax) {
          chunks.length = 0;
          return resolve({ kind: "too-large" });
        }
        chunks.push(new Uint8Array(chunk.slice(0)));
        if (isLast) resolve({ kind: "whole", bytes: Buffer.concat(chunks) });
      });
    });
  }

  respond(answer: HttpAnswer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#response.cork(() => this.#write(answer));
  }

  /** Hands the connection over to `upgrade`; whoever comes later, or too late, gets false. */
  handOver(upgrade: () => void): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    upgrade();
    return true;
  }

  #write({ status, headers = {}, body, isLast = false }: HttpAnswer): void {
    const response = this.#response;
    response.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
    for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
    if (body === undefined) return void response.endWithoutBody();
    response.writeHeader("Content-Type", "application/json");
    if (this.method === "HEAD") response.endWithoutBody(Buffer.byteLength(body));
    else response.end(body, isLast);
  }
}

function headersOf(request: LibraryRequest): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, string[]>();
  request.forEach((name, value) => {
    const values = headers.get(name);
    if (values === undefined) headers.set(name, [value]);
    else values.push(value);
  });
  return headers;
}
