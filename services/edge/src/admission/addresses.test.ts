import { randomBytes } from "node:crypto";
import { FakeClock } from "@millrace/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LIMITS } from "../limits.ts";
import { bareAdmission } from "../testing/bare-admission.ts";
import { TestIssuer } from "../testing/test-issuer.ts";
import { type Admission, createAdmission } from "./admission.ts";

const PROXY = "10.0.0.1";
const PER_SECOND = 10;
const USERS = 500;

let issuer: TestIssuer;
let admission: Admission;

beforeEach(async () => {
  issuer = await TestIssuer.start();
  admission = await createAdmission({
    ...bareAdmission(issuer.jwks),
    // The test's own second never ends.
    clock: wallClock(),
    trustedProxies: ["10.0.0.0/8"],
    limits: { ...LIMITS, handshakesPerAddress: PER_SECOND },
  });
});

afterEach(() => issuer.stop());

function wallClock(): FakeClock {
  return new FakeClock(Date.now());
}

/** What each is answered: "admitted", or the status of the refusal. */
async function answers(
  count: number,
  request: (index: number) => { readonly address: string; readonly forwarded?: string },
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let index = 0; index < count; index++) {
    const { address, forwarded } = request(index);
    const token = await issuer.token({ sub: `user-${index}` });
    const headers = new Map([
      ["authorization", [`Bearer ${token}`]],
      ["sec-websocket-protocol", ["millrace.v1.json"]],
      ...(forwarded === undefined ? [] : [["x-forwarded-for", [forwarded]] as const]),
    ]);
    const decision = await admission.decide({ address, query: "", headers, isUpgrade: true });
    const answer = decision.kind === "admitted" ? "admitted" : String(decision.refusal.status);
    counts[answer] = (counts[answer] ?? 0) + 1;
  }
  return counts;
}

function anyAddress(): string {
  return [...randomBytes(4)].join(".");
}

/** As the proxy writes it, which appends whom it spoke with. */
function forged(): string {
  return `${anyAddress()}, 10.0.0.7, 203.0.113.10`;
}

function many(index: number): string {
  return `203.1.${index >> 8}.${index & 255}`;
}

function inNet(): string {
  return `2001:db8:0:1:${randomBytes(2).toString("hex")}::1`;
}

// C-045
it("A client cannot choose the address it is counted under", async () => {
  const half = { admitted: PER_SECOND, 429: PER_SECOND };
  const asked = 2 * PER_SECOND;
  // Straight to the edge, another name each time.
  const straight = { address: "203.0.113.9" };
  expect(await answers(asked, () => ({ ...straight, forwarded: anyAddress() }))).toEqual(half);
  expect(await answers(1, () => straight)).toEqual({ 429: 1 });
  expect(await answers(asked, () => ({ address: PROXY, forwarded: forged() }))).toEqual(half);
  expect(await answers(USERS, (index) => ({ address: PROXY, forwarded: many(index) }))).toEqual({
    admitted: USERS,
  });
  // A network's owner has all of its addresses.
  expect(await answers(asked, () => ({ address: inNet() }))).toEqual(half);
  expect(await answers(asked, () => ({ address: PROXY, forwarded: inNet() }))).toEqual({
    429: asked,
  });
  // What names nobody is no error, and counts as the proxy's.
  const garbage = ["", "unknown", "x".repeat(8_000), ",,,", "1.2.3.4.5", "\u0000", "::g"];
  const named = (index: number): string => garbage[index % garbage.length] ?? "";
  expect(await answers(asked, (index) => ({ address: PROXY, forwarded: named(index) }))).toEqual(
    half,
  );
});
