import type { Client, Gap, Message, StartFrom } from "@millrace/client";
import type { Invocation } from "./invocation.ts";
import { lineFailure, tellLine } from "./line-state.ts";
import { Pipe } from "./pipe.ts";

export interface TailOptions {
  readonly conversation: string;
  readonly from: StartFrom;
  readonly urls: readonly string[];
}

/**
 * A conversation as NDJSON: each message as its fields, and what can't be had any more as `gap`.
 * It ends at Ctrl-C, and when nobody reads the pipe any more.
 */
export async function tail(invocation: Invocation, options: TailOptions): Promise<void> {
  const { conversation, from, urls } = options;
  const { connect, interrupted, stdout } = invocation.surroundings;
  let client: Client | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const pipe = new Pipe(stdout, resolve);
      void interrupted().then(resolve);
      client = connect({
        url: urls,
        token: invocation.token(),
        onState: (state) => tellLine(invocation, state, reject),
      });
      client.subscribe(conversation, {
        from,
        onMessage: (message: Message) => pipe.write(message),
        onGap: (gap: Gap) => pipe.write({ c: conversation, gap }),
        onError: (error, { isEnded }) => {
          if (isEnded) reject(lineFailure(`${conversation} can't be followed`, error));
        },
      });
    });
  } finally {
    client?.close();
  }
}
