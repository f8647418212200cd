import { describe, expect, it } from "vitest";
import {
  booleanOption,
  choiceOption,
  folderOption,
  listOption,
  millisecondsOption,
  optionRows,
  portOption,
  readOptions,
  textOption,
  urlOption,
  variableName,
} from "./options.ts";

const TABLE = {
  id: textOption({ meaning: "the name", fallback: "one" }),
  port: portOption({ meaning: "where it listens", fallback: 80 }),
  redisUrl: urlOption({ meaning: "the store", schemes: ["redis:"], isSecret: true }),
  hosts: listOption({ meaning: "the others", fallback: [], item: /^\w+$/, wanted: "words" }),
  isLoud: booleanOption({ meaning: "whether it shouts", fallback: false }),
  waitMs: millisecondsOption({ meaning: "how long", fallback: 5, min: 1, max: 10 }),
  level: choiceOption({ meaning: "how much", type: "level", choices: ["low", "high"] }),
};

function read(environment: Record<string, string>) {
  return readOptions(TABLE, { prefix: "X_", environment });
}

const NEEDED = { X_REDIS_URL: "redis://h", X_LEVEL: "low" };

describe("readOptions", () => {
  it("takes defaults for what is absent or empty", () => {
    const values = {
      id: "one",
      port: 80,
      redisUrl: "redis://h",
      hosts: [],
      isLoud: false,
      waitMs: 5,
      level: "low",
    };
    expect(read({ ...NEEDED, X_ID: "" })).toEqual({ ok: true, values });
  });

  it("takes what is given", () => {
    const given = { X_PORT: "0", X_HOSTS: "a, b", X_LOUD: "true", X_WAIT_MS: "10" };
    const result = read({ ...NEEDED, ...given });
    expect(result).toMatchObject({
      values: { port: 0, hosts: ["a", "b"], isLoud: true, waitMs: 10 },
    });
  });

  it("reports all problems at once, and none of them with a secret", () => {
    const result = read({
      X_PORT: "65536",
      X_REDIS_URL: "http://user:hunter2@h",
      X_HOSTS: "a,,b",
      X_LOUD: "yes",
      X_WAIT_MS: "0.5",
      X_IDD: "typo",
      OTHER: "not ours",
    });
    const problems = result.ok ? [] : result.problems;
    expect(problems).toEqual([
      'X_PORT is "65536"; wanted: a whole number from 0 to 65535',
      "X_REDIS_URL is (not shown); wanted: a URL that begins with redis://",
      'X_HOSTS is "a,,b"; wanted: words',
      'X_LOUD is "yes"; wanted: true or false',
      'X_WAIT_MS is "0.5"; wanted: a whole number from 1 to 10',
      "X_LEVEL is missing (level): how much",
      "X_IDD is no option; the options are listed in docs/operations.md",
    ]);
  });
});

describe("urlOption", () => {
  it("takes a list where it may be one, and looks at each of it", () => {
    const description = { meaning: "the nodes", schemes: ["redis:", "rediss:"] };
    const list = urlOption({ ...description, isList: true });
    const text = "redis://u:a,b@h:1, rediss://h:2";
    expect(list.parse(text)).toEqual({ ok: true, value: text });
    expect(list.parse("redis://h,http://h").ok).toBe(false);
  });
});

describe("folderOption", () => {
  it("is empty where none is given", () => {
    const table = { dir: folderOption({ meaning: "where it is" }) };
    const folder = (environment: Record<string, string>) =>
      readOptions(table, { prefix: "X_", environment });
    expect(folder({})).toEqual({ ok: true, values: { dir: "" } });
    expect(folder({ X_DIR: "/a" })).toEqual({ ok: true, values: { dir: "/a" } });
    expect(optionRows(table, "X_")[1]).toEqual(["`X_DIR`", "folder", "none", "where it is"]);
  });
});

describe("variableName", () => {
  it.each([
    ["drainMs", "EDGE_DRAIN_MS"],
    ["isDevelopment", "EDGE_DEVELOPMENT"],
    ["issuer", "EDGE_ISSUER"],
    ["kafkaBrokers", "EDGE_KAFKA_BROKERS"],
  ])("%s is read from %s", (name, variable) => {
    expect(variableName("EDGE_", name)).toBe(variable);
  });
});

describe("optionRows", () => {
  it("shows type, default and meaning of each option", () => {
    const [header, id, port, redis, hosts] = optionRows(TABLE, "X_");
    expect(header).toEqual(["name", "type", "default", "meaning"]);
    expect(id).toEqual(["`X_ID`", "text", "`one`", "the name"]);
    expect(port).toEqual(["`X_PORT`", "port", "`80`", "where it listens"]);
    expect(redis?.[2]).toBe("none");
    expect(hosts?.[2]).toBe("empty");
  });
});
