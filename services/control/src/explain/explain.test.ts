import { describe, expect, it } from "vitest";
import type { PartitionView } from "../api/views.ts";
import type { ClientFacts, EdgeConnection } from "./client-facts.ts";
import { explainClient } from "./explain-client.ts";
import {
  type ConversationFacts,
  type EdgeConversation,
  explainConversation,
} from "./explain-conversation.ts";

const VIEW: PartitionView = {
  partition: 3,
  owner: "edge-1",
  pin: null,
  isPaused: false,
  lag: 0,
  lagMs: 0,
  end: "10",
  recordsPerSec: 0,
  subscribers: 1,
  stalledOn: [],
  hottest: [],
  leader: 1,
  replicas: [1, 2],
  inSync: [1, 2],
};

function connection(fields: Partial<EdgeConnection> = {}): EdgeConnection {
  return {
    edge: "edge-1",
    connection: "c1",
    session: "s1",
    user: "alice",
    device: null,
    isResumed: false,
    openedAtMs: 1,
    tokenExpiresInMs: 3_600_000,
    quietMs: 1_000,
    bufferedBytes: 0,
    waitingBytes: 0,
    subscriptionsTotal: 1,
    subscriptions: [{ conversation: "room:1", partition: 3, state: "live", told: "e.3.9" }],
    ...fields,
  };
}

function clientFacts(fields: Partial<ClientFacts> = {}): ClientFacts {
  return {
    user: "alice",
    isKafkaUp: true,
    edges: [
      { id: "edge-1", state: "serving", isRedisUp: true },
      { id: "edge-2", state: "serving", isRedisUp: true },
    ],
    unreachable: [],
    partitions: [VIEW],
    connections: [connection()],
    rulings: [],
    ...fields,
  };
}

const subscribed = (state: "finding" | "catching-up" | "lagging") => [
  connection({ subscriptions: [{ conversation: "room:1", partition: 3, state, told: null }] }),
];

function inRoom2(
  may: { readonly mayRead: boolean; readonly mayWrite: boolean },
  conversation = "room:2",
): Partial<ClientFacts> {
  return { conversation, connections: [connection({ rights: { conversation, ...may } })] };
}

describe("why a client is silent", () => {
  it("is told, where nothing is wrong, with everything that was looked at", () => {
    const { verdict, findings } = explainClient(clientFacts());
    expect(verdict).toMatch(/^Nothing is wrong/);
    expect(findings.every(({ isOk }) => isOk)).toBe(true);
    expect(findings.map(({ text }) => text)).toContain("alice has subscribed 1 conversation.");
    expect(findings.map(({ about }) => about)).toEqual([
      "ban",
      "connection",
      "token",
      "subscription",
      "owner",
      "lag",
      "buffer",
    ]);
  });

  it.each<[string, Partial<ClientFacts>]>([
    [
      "alice is not connected on any edge that answers: if it tries to be, `millrace_handshakes_total` counts by `status` why it is turned away (401: its token; 403: a ban, its origin or its name; 429: too many at once; 503: the edge is full or not ready), and the client is told the reason in words.",
      { connections: [] },
    ],
    [
      "alice is banned by olga until 2030-01-01T00:00:00.000Z.",
      {
        rulings: [{ kind: "ban", operator: "olga", untilMs: Date.UTC(2030, 0, 1) }],
        connections: [],
      },
    ],
    [
      "alice was removed from room:1 by olga: nothing of it is delivered.",
      { rulings: [{ kind: "removal", conversation: "room:1", operator: "olga" }] },
    ],
    [
      "The token of connection c1 expired 5 s ago: the client must send another one.",
      { connections: [connection({ tokenExpiresInMs: -5_000 })] },
    ],
    [
      "The token of connection c1 ends in 30 s: the client must renew it.",
      { connections: [connection({ tokenExpiresInMs: 30_000 })] },
    ],
    [
      "Connection c1 on edge-1 has sent nothing for 90 s: its line may be half open.",
      { connections: [connection({ quietMs: 90_000 })] },
    ],
    [
      "alice has subscribed nothing: `--conversation` tells whether its token may read one.",
      { connections: [connection({ subscriptions: [], subscriptionsTotal: 0 })] },
    ],
    ["alice has not subscribed room:2.", { conversation: "room:2" }],
    [
      "The token of connection c1 may not read room:2: a subscription of it is refused with `forbidden`.",
      inRoom2({ mayRead: false, mayWrite: false }),
    ],
    [
      "The token of connection c1 may write to, and not read, room:2: a subscription of it is refused with `forbidden`.",
      inRoom2({ mayRead: false, mayWrite: true }),
    ],
    ["alice has not subscribed room:2.", inRoom2({ mayRead: true, mayWrite: false })],
    [
      "Connection c1 may not read dm:bob:carol: its id says whose it is, and no token opens it.",
      inRoom2({ mayRead: false, mayWrite: false }, "dm:bob:carol"),
    ],
    [
      "alice was removed from room:2 by olga: nothing of it is delivered.",
      {
        ...inRoom2({ mayRead: false, mayWrite: false }),
        rulings: [{ kind: "removal", conversation: "room:2", operator: "olga" }],
      },
    ],
    [
      "room:2 is not among the 1 of 700 subscriptions that edges list.",
      { conversation: "room:2", connections: [connection({ subscriptionsTotal: 700 })] },
    ],
    [
      "room:1 on edge-1: it is still catching-up; older messages come first.",
      { connections: subscribed("catching-up") },
    ],
    [
      "room:1 on edge-1: it is still finding; older messages come first.",
      { connections: subscribed("finding") },
    ],
    [
      "room:1 on edge-1: the client reads more slowly than messages come, and is fed from the log as it reads.",
      { connections: subscribed("lagging") },
    ],
    [
      "Connection c1 on edge-1 has 90000 bytes waiting: the client does not read.",
      { connections: [connection({ bufferedBytes: 60_000, waitingBytes: 30_000 })] },
    ],
    [
      "Partition 3 stands still on edge-1 though the log goes on: look at that edge's log, and drain it if it lasts.",
      { partitions: [{ ...VIEW, stalledOn: ["edge-1", "edge-2"] }] },
    ],
    [
      "Partition 3 is paused by an operator: `millrace resume 3`.",
      { partitions: [{ ...VIEW, isPaused: true }] },
    ],
    [
      "Partition 3 is owned by no edge: its listeners are served directly from the log; if it lasts, `millrace rebalance`.",
      { partitions: [{ ...VIEW, owner: null }] },
    ],
    [
      "Partition 3 has no leader: bring back one of its brokers (1, 2) that was in sync.",
      { partitions: [{ ...VIEW, leader: null, inSync: [] }] },
    ],
    [
      "Partition 3 is 5000 records and 9.0 s behind the end of its log on some edge.",
      { partitions: [{ ...VIEW, lag: 5_000, lagMs: 9_000 }] },
    ],
    [
      "edge-1 is drained: its clients are told to connect elsewhere.",
      { edges: [{ id: "edge-1", state: "drained", isRedisUp: true }] },
    ],
    [
      "Redis is down for edge-1: sessions and acknowledged positions are not known until it is back; messages come from the log all the same.",
      { edges: [{ id: "edge-1", state: "serving", isRedisUp: false }] },
    ],
    [
      "Kafka does not answer: nothing new comes in until its brokers are back.",
      { isKafkaUp: false },
    ],
    [
      "Not every edge answers (edge-3:9470): what is there is not seen here.",
      { unreachable: ["edge-3:9470"] },
    ],
    ["No edge tells of rulings: whether a ban or a removal holds is not known.", { rulings: null }],
  ])("%s", (verdict, fields) => {
    expect(explainClient(clientFacts(fields)).verdict).toBe(verdict);
  });

  it.each<[string, Partial<EdgeConnection>]>([
    ["lags", { subscriptions: subscribed("lagging")[0]?.subscriptions ?? [] }],
    ["is still fed", { subscriptions: subscribed("catching-up")[0]?.subscriptions ?? [] }],
    ["has bytes waiting", { bufferedBytes: 1 }],
  ])("is, of a line that is quiet and %s, that nobody reads at its other end", (_, fields) => {
    const quiet = connection({ quietMs: 104_000, ...fields });
    const { verdict, findings } = explainClient(clientFacts({ connections: [quiet] }));
    expect(verdict).toBe(
      "Connection c1 on edge-1 reads nothing, or much too slowly: its socket is full. It is fed from the log as it reads, and nothing is lost.",
    );
    const wrong = findings.filter(({ isOk }) => !isOk).map(({ text }) => text);
    expect(wrong[1]).toBe(
      "Connection c1 on edge-1 has sent nothing for 104 s: who does not read answers no ping either, unless the line is half open.",
    );
  });

  it("tells what the token grants where a conversation is named, and calls a ban a ban", () => {
    const { findings } = explainClient(
      clientFacts(inRoom2({ mayRead: true, mayWrite: false }, "room:1")),
    );
    const said = findings.filter(({ about }) => about === "rights" || about === "ban");
    expect(said).toEqual([
      { isOk: true, about: "ban", text: "alice is not banned." },
      {
        isOk: true,
        about: "rights",
        text: "The token of connection c1 may read room:1, and not write to it.",
      },
    ]);
  });

  it("is no matter of what happens to other conversations and on other edges", () => {
    const facts = clientFacts({
      conversation: "room:1",
      rulings: [{ kind: "removal", conversation: "room:9" }],
      partitions: [
        { ...VIEW, stalledOn: ["edge-2"] },
        { ...VIEW, partition: 4, isPaused: true },
      ],
      edges: [{ id: "edge-2", state: "drained", isRedisUp: false }],
    });
    expect(explainClient(facts).verdict).toMatch(/^Nothing is wrong/);
  });
});

function conversationFacts(fields: Partial<ConversationFacts> = {}): ConversationFacts {
  const { isKafkaUp, edges, unreachable, partitions } = clientFacts();
  const report: EdgeConversation = {
    edge: "edge-1",
    conversation: "room:1",
    partition: null,
    lastPosition: "e.3.9",
    live: 2,
    catchingUp: 0,
    lagging: 0,
  };
  return {
    conversation: "room:1",
    partition: 3,
    isKafkaUp,
    edges,
    unreachable,
    partitions,
    onEdges: [report],
    ...fields,
  };
}

describe("why a conversation is silent", () => {
  it.each<[string, Partial<ConversationFacts>]>([
    [
      "Nothing is wrong: room:1 is delivered to whoever has subscribed it; perhaps nobody writes.",
      {},
    ],
    ["Where room:1 stands is not known: the topic was not reached.", { partition: undefined }],
    ["Nobody has subscribed room:1 on the edges that answer.", { onEdges: [] }],
    [
      "Partition 3 is paused by an operator: `millrace resume 3`.",
      { partitions: [{ ...VIEW, isPaused: true }] },
    ],
    [
      "How far partition 3 is behind is not known.",
      { partitions: [{ ...VIEW, lag: null, lagMs: null }] },
    ],
    [
      "3 subscribers of room:1 read more slowly than messages come: `millrace explain client` says of each why.",
      {
        onEdges: conversationFacts().onEdges.map((one) => ({ ...one, lagging: 3, catchingUp: 1 })),
      },
    ],
    [
      "1 subscriber of room:1 reads more slowly than messages come: `millrace explain client` says of each why.",
      { onEdges: conversationFacts().onEdges.map((one) => ({ ...one, lagging: 1 })) },
    ],
    [
      "1 subscriber of room:1 is catching up.",
      { onEdges: conversationFacts().onEdges.map((one) => ({ ...one, catchingUp: 1 })) },
    ],
    [
      "4 subscribers of room:1 are catching up.",
      { onEdges: conversationFacts().onEdges.map((one) => ({ ...one, catchingUp: 4 })) },
    ],
    [
      "edge-2 is draining: its clients are told to connect elsewhere.",
      { edges: [{ id: "edge-2", state: "draining", isRedisUp: true }] },
    ],
  ])("%s", (verdict, fields) => {
    expect(explainConversation(conversationFacts(fields)).verdict).toBe(verdict);
  });
});
