import { describe, expect, it } from "vitest";
import { readEdgeConfig } from "./config.ts";

const NEEDED = {
  EDGE_KAFKA_BROKERS: "a:9092, [::1]:9093",
  EDGE_REDIS_URL: "redis://127.0.0.1:6379",
  EDGE_ISSUER: "https://issuer.example",
  EDGE_JWKS: "/keys/jwks.json",
};

describe("readEdgeConfig", () => {
  it("needs the brokers, the Redis and the issuer, and has a default for the rest", () => {
    expect(readEdgeConfig(NEEDED)).toMatchObject({
      ok: true,
      values: { kafkaBrokers: ["a:9092", "[::1]:9093"], drainMs: 30_000, audience: "millrace" },
    });
    const empty = readEdgeConfig({});
    expect(empty.ok ? [] : empty.problems.map((problem) => problem.split(" ")[0])).toEqual(
      Object.keys(NEEDED),
    );
  });

  it("takes folders of credentials, and the nodes of a Redis Cluster", () => {
    const secured = {
      EDGE_KAFKA_SECURITY_DIR: "/secrets/kafka",
      EDGE_REDIS_SECURITY_DIR: "/secrets/redis",
      EDGE_REDIS_URL: "rediss://a:6379,rediss://b:6379",
    };
    expect(readEdgeConfig({ ...NEEDED, ...secured })).toMatchObject({
      ok: true,
      values: { kafkaSecurityDir: "/secrets/kafka", redisSecurityDir: "/secrets/redis" },
    });
    const plain = readEdgeConfig(NEEDED);
    expect(plain.ok && [plain.values.kafkaSecurityDir, plain.values.redisSecurityDir]).toEqual([
      "",
      "",
    ]);
  });

  it("refuses an origin with a path and a broker without a port", () => {
    const bad = { EDGE_ORIGINS: "https://a.example/chat", EDGE_KAFKA_BROKERS: "a" };
    const result = readEdgeConfig({ ...NEEDED, ...bad });
    expect(result.ok ? [] : result.problems).toHaveLength(2);
  });
});
