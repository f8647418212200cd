import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseStart } from "./start-options.ts";

function problemOf(args: string[], environment = {}): string {
  const command = parseStart(args, environment);
  return command.kind === "unusable" ? command.problem : command.kind;
}

describe("parseStart", () => {
  it("has a default for everything", () => {
    expect(parseStart([], {})).toEqual({
      kind: "run",
      options: {
        edges: 1,
        port: 8080,
        dataFolder: resolve(".millrace"),
        isFresh: false,
        isConfirmed: false,
        origins: [],
        topic: "chat.messages",
        delivery: "direct",
      },
    });
    const given = { EDGE_DELIVERY: "relay" };
    expect(parseStart([], given)).toMatchObject({ options: { delivery: "relay" } });
    const args = ["--delivery", "direct"];
    expect(parseStart(args, given)).toMatchObject({ options: { delivery: "direct" } });
  });

  it("takes values behind a space or an equals sign, and origins as often as given", () => {
    const args = [
      "--edges",
      "3",
      "--port=9000",
      "--origin",
      "https://a.example/x",
      "--origin=http://b:1",
    ];
    const environment = { KAFKA_BROKERS: "a:1, b:2", REDIS_URL: "redis://r" };
    expect(parseStart([...args, "--ready-file", "r.json"], environment)).toMatchObject({
      options: {
        edges: 3,
        port: 9000,
        origins: ["https://a.example", "http://b:1"],
        readyFile: resolve("r.json"),
        kafkaBrokers: ["a:1", "b:2"],
        redisUrl: "redis://r",
      },
    });
  });

  it.each([
    [["--proxy"], 1],
    [["--proxy", "--edges", "3"], 1],
    [["--proxy", "2"], 2],
  ])("reads the load balancers of %j", (args, proxies) => {
    expect(parseStart(args, {})).toMatchObject({ options: { proxies } });
  });

  it.each([
    [["--replay"], { speed: 1 }],
    [["--replay", "--speed", "max"], { speed: "max" }],
    [["--replay", "day.gz", "--speed", "60"], { file: resolve("day.gz"), speed: 60 }],
  ])("reads the replay of %j", (args, replay) => {
    expect(parseStart(args, {})).toMatchObject({ options: { replay } });
  });

  it.each([
    [["--edges", "0"], /--edges 0: a whole number from 1/],
    [["--port", "65535", "--edges", "2"], /leaves no room/],
    [["--prot", "1"], /"--prot" is no option/],
    [["8080"], /"8080" is no option/],
    [["--ready-file"], /needs a value/],
    [["--fresh=1"], /takes no value/],
    [["--speed", "2"], /belongs to --replay/],
    [["--replay", "--speed", "-1"], /needs a value/],
    [["--replay", "--speed", "fast"], /a number above 0/],
    [["--origin", "null"], /an http or https URL/],
    [["--proxy", "3"], /--proxy 3: a whole number from 1 to 2/],
    [["--proxy", "two"], /--proxy two/],
    [["--delivery", "pigeon"], /direct or relay is needed/],
  ])("refuses %j", (args, problem) => {
    expect(problemOf(args)).toMatch(problem);
  });

  it("takes folders of credentials for what is given, and only for that", () => {
    const secured = {
      KAFKA_BROKERS: "a:1",
      KAFKA_SECURITY_DIR: "secrets/kafka",
      REDIS_URL: "rediss://b",
      REDIS_SECURITY_DIR: "/secrets/redis",
    };
    expect(parseStart([], secured)).toMatchObject({
      options: { kafkaSecurityDir: resolve("secrets/kafka"), redisSecurityDir: "/secrets/redis" },
    });
    expect(problemOf([], { ...secured, KAFKA_BROKERS: "" })).toMatch(/belongs to KAFKA_BROKERS/);
    expect(problemOf([], { ...secured, REDIS_URL: "" })).toMatch(/belongs to REDIS_URL/);
  });

  it("refuses brokers without a port, and helps before it refuses", () => {
    expect(problemOf([], { KAFKA_BROKERS: "a" })).toMatch(/host:port/);
    expect(problemOf(["--help", "--proxy"])).toBe("help");
  });
});
