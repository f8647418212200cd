import type { Clock, Logger, Timer } from "@millrace/runtime";
import type { FastifyReply } from "fastify";
import type { Operator } from "../api/operators.ts";
import type { AuditView } from "../api/views.ts";
import { LIMITS } from "../limits.ts";
import { type OverviewSources, overviewOf } from "../overview/overview.ts";
import { partitionViews } from "../overview/partition-views.ts";
import { statusView } from "../overview/status-view.ts";
import { refuse } from "../refusal.ts";

interface Follower {
  readonly operator: Operator;
  readonly stream: FastifyReply["raw"];
  readonly expiry: Timer;
  /** What may wait to be read before it is let go: the last look, too, until the next one. */
  allowedBytes: number;
}

export interface FollowersOptions {
  readonly sources: OverviewSources;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Timers hold no more; a token that lives longer is looked at again then. */
const TIMER_MS_MAX = 86_400_000;

/**
 * Whoever follows the events (Server-Sent Events, HTML Living Standard §9.2). One look a second serves
 * all of them; nobody follows, nothing is looked at. A follower that does not read what it is sent, or
 * whose token has ended, is let go.
 */
export class Followers {
  readonly #options: FollowersOptions;
  readonly #all = new Set<Follower>();
  #isLooking = false;
  #isClosed = false;

  constructor(options: FollowersOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#all.size;
  }

  /** From now on; throws a RefusalError where there are too many. */
  take(operator: Operator, reply: FastifyReply): void {
    if (this.#isClosed) refuse(503, "control is ending: follow another one");
    if (this.#all.size >= LIMITS.followers) {
      refuse(
        503,
        `${LIMITS.followers} already follow the events: close a page that nobody looks at`,
      );
    }
    reply.hijack();
    const stream = reply.raw;
    // It went away while its token was checked: its `close` has passed, and nothing would end it.
    if (stream.destroyed) return;
    stream.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      // Nothing else comes on it: kept alive, it would keep control from ending.
      connection: "close",
      // nginx would hold it back otherwise.
      "x-accel-buffering": "no",
    });
    const follower: Follower = {
      operator,
      stream,
      allowedBytes: LIMITS.followerBytes,
      expiry: this.#untilExpiry(operator, () => this.#expire(follower)),
    };
    this.#all.add(follower);
    stream.once("close", () => this.#forget(follower));
    stream.write(": following\n\n");
    if (!this.#isLooking) void this.#look();
  }

  /** To everybody, as things happen. */
  tell(view: AuditView): void {
    const text = eventText("audit", view);
    for (const follower of this.#all) this.#write(follower, text);
  }

  close(): void {
    this.#isClosed = true;
    for (const follower of this.#all) {
      const why = { code: "unavailable", message: "control is ending: follow again" };
      this.#end(follower, "end", why);
    }
  }

  /** Never rejects. Until nobody follows. */
  async #look(): Promise<void> {
    const { sources, clock, logger } = this.#options;
    this.#isLooking = true;
    while (this.#all.size > 0) {
      const [someone] = this.#all;
      if (someone === undefined) break;
      const startMs = clock.nowMs();
      try {
        // Whose token asks does not matter: each follower's is an accepted operator's.
        const overview = await overviewOf(sources, { token: someone.operator.token });
        const status = eventText("status", statusView(overview));
        const partitions = { partitions: partitionViews(overview) };
        this.#tellLook(status + eventText("partitions", partitions));
      } catch (cause) {
        logger.error({ err: cause }, "followers could not be told");
      }
      const restMs = Math.max(0, LIMITS.followMs - (clock.nowMs() - startMs));
      await new Promise<void>((resolve) => clock.after(restMs, resolve));
    }
    this.#isLooking = false;
  }

  /** A look may be larger than the bound by itself: only what is left of earlier ones counts. */
  #tellLook(text: string): void {
    const bytes = Buffer.byteLength(text);
    for (const follower of this.#all) {
      follower.allowedBytes = LIMITS.followerBytes;
      this.#write(follower, text);
      follower.allowedBytes += bytes;
    }
  }

  #write(follower: Follower, text: string): void {
    const { stream, allowedBytes } = follower;
    if (stream.writableLength <= allowedBytes) {
      stream.write(text);
      return;
    }
    this.#options.logger.warn({}, "a follower does not read; it is let go");
    this.#forget(follower);
    stream.destroy();
  }

  #untilExpiry({ expiresAtMs }: Operator, expire: () => void): Timer {
    const { clock } = this.#options;
    const leftMs = Math.max(0, expiresAtMs - clock.wallMs());
    if (leftMs <= TIMER_MS_MAX) return clock.after(leftMs, expire);
    let timer = clock.after(TIMER_MS_MAX, () => {
      timer = this.#untilExpiry({ name: "", token: "", expiresAtMs }, expire);
    });
    return { cancel: () => timer.cancel() };
  }

  #expire(follower: Follower): void {
    const message = "the token has expired: follow again with another one";
    this.#end(follower, "expired", { code: "unauthorized", message });
  }

  #end(follower: Follower, event: "expired" | "end", why: object): void {
    follower.stream.end(eventText(event, why));
    this.#forget(follower);
  }

  #forget(follower: Follower): void {
    follower.expiry.cancel();
    this.#all.delete(follower);
  }
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
