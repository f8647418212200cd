import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  CredentialFolder,
  type Logger,
  delay,
  must,
  silentLogger,
  systemClock,
} from "@millrace/runtime";
import {
  CertificateAuthority,
  KafkaCluster,
  type SecuredProtocol,
  type TopicOperation,
  allowOnTopic,
  setScramPassword,
  waitFor,
} from "@millrace/testkit";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { Log } from "../port.ts";
import { Sending, offence, storedValues } from "../testing/write-proof.ts";
import { ensureTopic } from "./admin.ts";
import { createKafkaLog } from "./kafka-log.ts";

/** All that docs/operations.md says is needed on a topic that is there. */
const LEAST = ["READ", "WRITE", "DESCRIBE_CONFIGS"] as const;

/** A broker ends the connections of those who have not logged in anew by then (KIP-368). */
const REAUTHENTICATE = "connections.max.reauth.ms";
const SESSION_MS = 1_500;

const PARTITION = 0;
const PASSWORD = "open-sesame";
const WRONG_PASSWORD = "open-barley";
const authority = new CertificateAuthority("millrace test authority");
const stranger = new CertificateAuthority("another authority");
const SCRAM = { "ca.crt": authority.certificate, username: "scramUser", password: PASSWORD };

let cluster: KafkaCluster;
const endings: (() => unknown)[] = [];

beforeAll(async () => {
  const plainUsers = { plainUser: PASSWORD };
  const settings = {
    [`listener.name.sasl_plaintext.scram-sha-256.${REAUTHENTICATE}`]: String(SESSION_MS),
  };
  cluster = await KafkaCluster.start({ brokers: 1, secured: { authority, plainUsers }, settings });
  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    const user = { user: "scramUser", password: PASSWORD, mechanism };
    await setScramPassword(cluster.brokers, user);
  }
});

afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

afterAll(() => cluster.stop());

const CLEAR = { username: "scramUser", password: PASSWORD, tls: "off\n" };

type Files = Readonly<Record<string, string>>;

interface Told {
  readonly event: string;
  readonly fields: unknown;
}

/** A folder of credentials, and what a log with them does. */
function folderOf(files: Files): { readonly path: string; readonly folder: CredentialFolder } {
  const path = mkdtempSync(join(tmpdir(), "millrace-secured-"));
  put(path, files);
  const folder = new CredentialFolder({ path, clock: systemClock });
  endings.push(() => {
    folder.close();
    rmSync(path, { recursive: true });
  });
  return { path, folder };
}

function certificateFiles(issuer: CertificateAuthority): Files {
  const { chain, key } = issuer.issue("edge");
  return { "ca.crt": authority.certificate, "user.crt": chain, "user.key": key };
}

function put(path: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
}

/** Keeps what is told, from debug on, as it would stand in the log. */
function listeningLogger(told: Told[]): Logger {
  const take = (fields: object, event: string): void => {
    told.push({ event, fields: { ...fields } });
  };
  return { debug: take, info: take, warn: take, error: take };
}

async function topicFor(
  principal: string,
  operations: readonly TopicOperation[] = LEAST,
): Promise<string> {
  const topic = `secured-${randomUUID()}`;
  const { brokers } = cluster;
  const options = { brokers, topic, isDevelopment: true, logger: silentLogger };
  // A broker knows of a topic a moment after it was made; an edge asks again as well.
  await waitFor(() => ensureTopic(options).catch(() => false), { what: topic });
  await allowOnTopic(brokers, { principal, topic, operations });
  return topic;
}

function logOn(
  topic: string,
  protocol: SecuredProtocol,
  options: { readonly credentials: CredentialFolder; readonly logger?: Logger },
): Log {
  const { credentials, logger = silentLogger } = options;
  const brokers = cluster.securedBrokers(protocol);
  const log = createKafkaLog({ brokers, topic, clientId: "secured", logger, credentials });
  endings.push(() => log.close({ settleMs: 0 }));
  return log;
}

/** What was told of that kind, with its reason; a secret would stand there, too. */
function toldOf(told: readonly Told[], event: string): Told[] {
  return told.filter((line) => line.event.includes(event));
}

async function sendSome(sending: Sending, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    sending.send(`value ${index}`);
    await delay(systemClock, 2);
  }
}

async function prove(sending: Sending, log: Log): Promise<void> {
  await waitFor(() => sending.isSettled, { what: "every outcome" });
  expect(sending.values.every(({ told }) => told === "appended")).toBe(true);
  expect(offence(sending.values, await storedValues(log, PARTITION))).toBeUndefined();
}

const WAYS: readonly {
  readonly name: string;
  readonly protocol: SecuredProtocol;
  readonly principal: string;
  readonly files: () => Files;
}[] = [
  {
    name: "SCRAM-SHA-512 over TLS",
    protocol: "SASL_SSL",
    principal: "User:scramUser",
    files: () => SCRAM,
  },
  {
    name: "SCRAM-SHA-256 over TLS",
    protocol: "SASL_SSL",
    principal: "User:scramUser",
    files: () => ({ ...SCRAM, mechanism: "scram-sha-256" }),
  },
  {
    name: "PLAIN over TLS",
    protocol: "SASL_SSL",
    principal: "User:plainUser",
    files: () => ({ ...SCRAM, username: "plainUser", mechanism: "PLAIN\n" }),
  },
  {
    name: "a certificate of its own",
    protocol: "SSL",
    principal: "User:CN=edge",
    files: () => certificateFiles(authority),
  },
  {
    name: "SCRAM without TLS, where the folder says so",
    protocol: "SASL_PLAINTEXT",
    principal: "User:scramUser",
    files: () => CLEAR,
  },
];

for (const { name, protocol, principal, files } of WAYS) {
  it(`writes and reads with ${name} and the least rights`, async () => {
    const topic = await topicFor(principal);
    const { folder } = folderOf(files());
    const brokers = cluster.securedBrokers(protocol);
    const options = { brokers, topic, isDevelopment: true, logger: silentLogger };
    const report = await ensureTopic({ ...options, credentials: folder });
    expect(report).toMatchObject({ created: false, problems: [] });
    const log = logOn(topic, protocol, { credentials: folder });
    await log.open();
    const sending = new Sending(log, PARTITION);
    await sendSome(sending, 10);
    await prove(sending, log);
  });
}

it("makes a missing topic with the right to create it", async () => {
  const topic = `secured-${randomUUID()}`;
  const { folder } = folderOf(SCRAM);
  const operations = [...LEAST, "CREATE"] as const;
  await allowOnTopic(cluster.brokers, { principal: "User:scramUser", topic, operations });
  const brokers = cluster.securedBrokers("SASL_SSL");
  const options = { brokers, topic, isDevelopment: true, logger: silentLogger };
  expect((await ensureTopic({ ...options, credentials: folder })).created).toBe(true);
});

it("repeats nothing where the broker ends every session after a while", async () => {
  const told: Told[] = [];
  const topic = await topicFor("User:scramUser");
  const { folder } = folderOf({ ...CLEAR, mechanism: "scram-sha-256" });
  const logger = listeningLogger(told);
  const log = logOn(topic, "SASL_PLAINTEXT", { credentials: folder, logger });
  await log.open();
  const sending = new Sending(log, PARTITION);
  const end = new AbortController();
  const sent = sendUntil(sending, end.signal);
  const polled = pollUntil(log, end.signal);
  await delay(systemClock, 3 * SESSION_MS);
  end.abort();
  await Promise.all([sent, polled]);
  await prove(sending, log);
  for (const event of ["was not answered", "a long poll failed", "did not answer"]) {
    expect(toldOf(told, event)).toEqual([]);
  }
});

it("needs each of the rights", async () => {
  const { folder } = folderOf(SCRAM);
  const brokers = cluster.securedBrokers("SASL_SSL");
  const principal = "User:scramUser";
  const absent = { brokers, topic: `secured-${randomUUID()}`, isDevelopment: true };
  await allowOnTopic(cluster.brokers, { principal, topic: absent.topic, operations: LEAST });
  await expect(
    ensureTopic({ ...absent, logger: silentLogger, credentials: folder }),
  ).rejects.toThrow(/authori[sz]|Topic creation errors/i);
  for (const missing of LEAST) {
    const topic = await topicFor(
      principal,
      LEAST.filter((operation) => operation !== missing),
    );
    const log = logOn(topic, "SASL_SSL", { credentials: folder });
    await log.open();
    if (missing === "DESCRIBE_CONFIGS") {
      const options = { brokers, topic, isDevelopment: true, logger: silentLogger };
      await expect(ensureTopic({ ...options, credentials: folder })).rejects.toThrow(
        /authori[sz]/i,
      );
    } else if (missing === "WRITE") {
      const sending = new Sending(log, PARTITION);
      sending.send("value");
      await waitFor(() => sending.outcomeOf("value"), { what: "an outcome" });
      expect(sending.outcomeOf("value")?.kind).not.toBe("appended");
    } else {
      const epoch = must(log.epoch, "an open log").id;
      const request = { partition: PARTITION, offset: 0n, epoch, waitMs: 0, bytesMax: 1_000 };
      expect(await log.readFrom(request)).toMatchObject({ kind: "unavailable" });
    }
  }
});

const MISTAKES: readonly {
  readonly name: string;
  readonly protocol: SecuredProtocol;
  readonly files: () => Files;
  readonly says: RegExp;
}[] = [
  {
    name: "a wrong password",
    protocol: "SASL_SSL",
    files: () => ({ ...SCRAM, password: WRONG_PASSWORD }),
    says: /Authentication failed.*invalid credentials with SASL mechanism SCRAM-SHA-512/,
  },
  {
    name: "a broker whose authority is another one",
    protocol: "SASL_SSL",
    files: () => ({ ...SCRAM, "ca.crt": stranger.certificate }),
    says: /certificate/,
  },
  {
    name: "a broker whose authority is none of the system's",
    protocol: "SASL_SSL",
    files: () => ({ username: "scramUser", password: PASSWORD }),
    says: /certificate/,
  },
  {
    name: "a certificate of its own that the broker does not trust",
    protocol: "SSL",
    files: () => ({ ...certificateFiles(stranger), "ca.crt": authority.certificate }),
    says: /alert|certificate/,
  },
  {
    name: "a mechanism nobody knows",
    protocol: "SASL_SSL",
    files: () => ({ ...SCRAM, mechanism: "scram" }),
    says: /the file mechanism must say one of plain, scram-sha-256, scram-sha-512/,
  },
];

for (const { name, protocol, files, says } of MISTAKES) {
  it(`says what is wrong, and no secret, with ${name}; serves when it is put right`, async () => {
    const [told, right]: [Told[], Files] = [
      [],
      protocol === "SSL" ? certificateFiles(authority) : SCRAM,
    ];
    const principal = protocol === "SSL" ? "User:CN=edge" : "User:scramUser";
    const topic = await topicFor(principal);
    const { path, folder } = folderOf(files());
    const log = logOn(topic, protocol, { credentials: folder, logger: listeningLogger(told) });
    const opened = log.open();
    const event = "no broker answers; it is tried again";
    const [first] = await waitFor(() => nonEmpty(toldOf(told, event)), { what: "a warning" });
    expect(JSON.stringify(first?.fields)).toMatch(says);
    await waitFor(() => toldOf(told, "did not answer").length > 3, { what: "more attempts" });
    put(path, { mechanism: "scram-sha-512", ...right });
    await opened;
    expect(toldOf(told, "Kafka answers again")).toHaveLength(1);
    // Once in so many attempts.
    expect(toldOf(told, event)).toHaveLength(1);
    const everything = inspect(told, { depth: null });
    for (const secret of [PASSWORD, WRONG_PASSWORD, "PRIVATE KEY"]) {
      expect(everything).not.toContain(secret);
    }
  });
}

it("loses, doubles and even repeats nothing while its password is changed", async () => {
  const told: Told[] = [];
  const user = "rotating";
  await setScramPassword(cluster.brokers, { user, password: "first" });
  const topic = await topicFor(`User:${user}`);
  const { path, folder } = folderOf({ ...SCRAM, username: user, password: "first" });
  const log = logOn(topic, "SASL_SSL", { credentials: folder, logger: listeningLogger(told) });
  await log.open();
  const sending = new Sending(log, PARTITION);
  const end = new AbortController();
  const sent = sendUntil(sending, end.signal);
  const polled = pollUntil(log, end.signal);
  // All that is needed is connected, as in an edge that serves.
  await waitFor(() => sending.outcomeOf("value 50")?.kind === "appended", { what: "records" });
  // A wrong one first: what is connected stays so.
  put(path, { password: "mistyped" });
  const refused = "the changed credentials do not work";
  await waitFor(() => toldOf(told, refused).length > 0, { what: "a warning" });
  await setScramPassword(cluster.brokers, { user, password: "second" });
  put(path, { password: "second" });
  const renewed = "were renewed with the changed credentials";
  await waitFor(() => toldOf(told, renewed).length > 0, { what: "new connections" });
  const count = sending.values.length;
  await waitFor(() => sending.values.length > count + 50, { what: "some more of it" });
  end.abort();
  await Promise.all([sent, polled]);
  await prove(sending, log);
  expect(toldOf(told, "was not answered")).toEqual([]);
  expect(toldOf(told, "a long poll failed")).toEqual([]);
  const everything = inspect(told, { depth: null });
  for (const secret of ["mistyped", "second"]) expect(everything).not.toContain(secret);
});

async function sendUntil(sending: Sending, signal: AbortSignal): Promise<void> {
  for (let index = 0; !signal.aborted; index++) {
    sending.send(`value ${index}`);
    await delay(systemClock, 2);
  }
}

/** As a tail does: one long poll after the other, so that one is always out. */
async function pollUntil(log: Log, signal: AbortSignal): Promise<void> {
  const epoch = must(log.epoch, "an open log").id;
  let offset = 0n;
  while (!signal.aborted) {
    const request = { partition: PARTITION, offset, epoch, waitMs: 1_000, bytesMax: 65_536 };
    const outcome = await log.readFrom(request);
    if (outcome.kind !== "chunk") throw new Error(`not readable: ${inspect(outcome)}`);
    offset = outcome.next;
  }
}

function nonEmpty<Item>(items: Item[]): Item[] | undefined {
  return items.length > 0 ? items : undefined;
}
