/** What a page of history says, as it came. */
export interface PageJson {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly pos: string;
  readonly head: string;
  readonly gap?: {
    readonly after: string;
    readonly pos: string;
    readonly reason: string;
    readonly missed: number | null;
  };
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the body is no JSON. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

export interface HttpWish {
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object goes as JSON; text and bytes go as they are. */
  readonly body?: object | string | Uint8Array;
}

/** Every status that came, with method and path. */
export const seenAnswers: { method: string; path: string; status: number }[] = [];

/** One request with the platform's own client. */
export async function ask(port: number, path: string, wish: HttpWish = {}): Promise<HttpReply> {
  const { token, body, method = body === undefined ? "GET" : "POST" } = wish;
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...wish.headers,
    },
    ...(body !== undefined && { body: isWhole ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  seenAnswers.push({ method, path, status: response.status });
  return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
}

export function messagesPath(c: string, query = ""): string {
  return `/v1/conversations/${encodeURIComponent(c)}/messages${query}`;
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
