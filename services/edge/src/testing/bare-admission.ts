import { silentLogger, systemClock } from "@millrace/runtime";
import type { AdmissionOptions } from "../admission/admission.ts";
import { Newcomers } from "../admission/newcomers.ts";
import { Tickets } from "../admission/tickets.ts";
import { LIMITS } from "../limits.ts";
import { AUDIENCE, ISSUER } from "./test-issuer.ts";

/** An admission without Redis: it knows no ticket, and every session is new. */
export function bareAdmission(jwks: string): AdmissionOptions {
  return {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks,
    origins: [],
    trustedProxies: [],
    limits: LIMITS,
    newcomers: new Newcomers({
      clock: systemClock,
      limits: LIMITS,
      random: Math.random,
      shortage: () => undefined,
    }),
    clock: systemClock,
    logger: silentLogger,
    tickets: new Tickets({ ask: () => Promise.resolve(undefined) }, LIMITS.ticketMs),
    rights: { isBanned: () => false },
    sessions: {
      isStale: () => Promise.resolve(false),
      enter: () =>
        Promise.resolve({
          sessionId: "s_1",
          connectionId: "c_1",
          attempt: 0,
          isResumed: false,
          subscriptions: new Map(),
        }),
    },
  };
}
