import {
  type ConversationId,
  type FrameRefusal,
  type PubFrame,
  parseMessage,
} from "@millrace/schemas";
import type { Headers } from "../admission/credential.ts";
import type { Identity } from "../admission/identity.ts";
import type { EdgeLimits } from "../limits.ts";
import type { EdgeMetrics } from "../metrics.ts";
import { failureOf } from "../publish/publish-failure.ts";
import type { PublishOutcome } from "../publish/publish-gate.ts";
import type { Publisher } from "../publish/publisher.ts";
import type { PublishRates } from "../rates/publish-rates.ts";
import { NO_WRITE, type Rights } from "../rights/rights.ts";
import { Allowance } from "./allowance.ts";
import { type HttpFailure, failureAnswer, jsonAnswer } from "./http-answer.ts";
import type { BodyOutcome, HttpAnswer } from "./http-exchange.ts";
import { parseJsonBody, refuseMediaType } from "./json-body.ts";

export interface MessagePostsOptions {
  readonly publisher: Publisher;
  readonly publishRates: PublishRates;
  readonly rights: Rights;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
}

export interface MessagePost {
  readonly identity: Identity;
  readonly conversation: ConversationId;
  readonly headers: Headers;
  readonly body: Promise<BodyOutcome>;
}

type Parsed =
  | { readonly kind: "frame"; readonly frame: PubFrame }
  | { readonly kind: "refused"; readonly failure: HttpFailure };

const RETRY_MS = 500;

/** To a client that has gone: nobody hears it. */
const GONE: HttpAnswer = { status: 400 };

/** Publishes of servers and bots: a `pub` frame of its own each, in no order among each other. */
export class MessagePosts {
  readonly #options: MessagePostsOptions;
  readonly #allowance: Allowance;

  constructor(options: MessagePostsOptions) {
    const { httpRequestsMax, announced } = options.limits;
    this.#options = options;
    this.#allowance = new Allowance({ all: httpRequestsMax, user: announced.publishesInFlight });
  }

  async answer(post: MessagePost): Promise<HttpAnswer> {
    const { identity, conversation, headers } = post;
    const refusal = refuseMediaType(headers);
    if (refusal !== undefined) return refusal;
    const { rights, publishRates } = this.#options;
    if (!rights.mayWrite(identity, conversation)) return this.#fail(NO_WRITE);
    const retryMs = publishRates.takeOnce(identity.user);
    if (retryMs > 0) {
      this.#options.metrics.limited.inc({ limit: "publishes" });
      return this.#fail({ code: "rate-limited", message: "more publishes than allowed", retryMs });
    }
    const allowed = this.#allowance.take(identity.user);
    if (allowed.kind !== "taken") {
      const message = "too many publishes wait for their answers";
      return this.#fail({ code: "too-many-in-flight", message, retryMs: RETRY_MS });
    }
    try {
      return await this.#take(post);
    } finally {
      allowed.giveBack();
    }
  }

  /** The allowance is held from here on: a body that comes slowly is its sender's, too. */
  async #take(post: MessagePost): Promise<HttpAnswer> {
    const body = await post.body;
    if (body.kind === "aborted") return GONE;
    if (body.kind === "too-large") {
      return this.#fail({ code: "body-too-large", message: "the request's body is too large" });
    }
    const json = parseJsonBody(body.bytes);
    if (json.kind === "refused") return this.#fail(json.failure);
    const parsed = this.#parse(post, json.fields);
    if (parsed.kind === "refused") return this.#fail(parsed.failure);
    // The body may have been long in coming.
    const { rights } = this.#options;
    if (!rights.mayWrite(post.identity, post.conversation)) return this.#fail(NO_WRITE);
    return this.#answerOf(await this.#publish(post, parsed.frame));
  }

  /** The same rules as for a frame, because it is made one. */
  #parse({ identity, conversation, headers }: MessagePost, fields: object): Parsed {
    const { bodyBytes, metaBytes } = this.#options.limits.announced;
    const own = new Map<string, unknown>(Object.entries(fields));
    for (const name of ["to", "behind"]) {
      if (own.has(name)) return refused("bad-frame", `${name} has no place in a request`);
    }
    if (own.has("c") && own.get("c") !== conversation) {
      return refused("bad-frame", "c is not the conversation of the path");
    }
    const [key, ...more] = headers.get("idempotency-key") ?? [];
    const isOther = key !== undefined && own.has("key") && own.get("key") !== key;
    if (more.length > 0 || isOther) {
      return refused("bad-key", "Idempotency-Key and key are not the same");
    }
    const { id: _, ...named } = fields as { readonly id?: unknown };
    const frame = { ...named, ...(key !== undefined && { key }), t: "pub", c: conversation };
    const context = { user: identity.user, bodyBytes, metaBytes };
    const message = parseMessage(JSON.stringify(frame), context);
    const [first] = message.kind === "frames" ? message.frames : [];
    if (first?.kind === "frame" && first.frame.t === "pub") {
      return { kind: "frame", frame: first.frame };
    }
    const { code, message: why }: Pick<FrameRefusal, "code" | "message"> =
      first?.kind === "refusal" ? first.refusal : { code: "bad-frame", message: "no message" };
    return refused(code, why);
  }

  #publish({ identity }: MessagePost, frame: PubFrame): Promise<PublishOutcome> {
    return new Promise((resolve) => {
      this.#options.publisher.publish({
        frame,
        sender: identity.user,
        // Each its own: requests of HTTP have no order that could be kept.
        lane: {},
        isStillWanted: () => true,
        onOutcome: resolve,
        onSettled: () => undefined,
      });
    });
  }

  #answerOf(outcome: PublishOutcome): HttpAnswer {
    const { metrics } = this.#options;
    if (outcome.kind !== "appended") return this.#fail(failureOf(outcome, metrics));
    metrics.publishes.inc();
    const { pos, ts, isDuplicate } = outcome;
    return jsonAnswer(201, { pos, ts, ...(isDuplicate && { dup: isDuplicate }) });
  }

  #fail(failure: HttpFailure): HttpAnswer {
    this.#options.metrics.errors.inc({ code: failure.code });
    return failureAnswer(failure);
  }
}

function refused(code: HttpFailure["code"], message: string): Parsed {
  return { kind: "refused", failure: { code, message } };
}
