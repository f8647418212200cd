import type { TopicProblem } from "@millrace/log";
import { FakeClock } from "@millrace/testkit";
import { expect, it } from "vitest";
import { TopicChecks } from "./topic-checks.ts";

const MISSING = { setting: "topic", value: "missing", wanted: "there", promise: "order" };

it("What was wrong is told as it is now, and what was right as it was last seen", async () => {
  let seen: TopicProblem[] | Error = [MISSING];
  let asked = 0;
  const checkTopic = (): Promise<TopicProblem[]> => {
    asked += 1;
    return seen instanceof Error ? Promise.reject(seen) : Promise.resolve(seen);
  };
  const clock = new FakeClock();
  const checks = new TopicChecks({
    admin: { checkTopic },
    clock,
    topic: "chat",
    isDevelopment: true,
  });
  const wrong = async () => (await checks.told()).filter((view) => view.problems.length > 0).length;
  expect(await checks.told()).toEqual([]);
  await checks.check();
  expect(await wrong()).toBe(4);
  await clock.advance(60_000);
  seen = new Error("Kafka is away");
  expect(await wrong()).toBe(4);
  await clock.advance(60_000);
  seen = [];
  expect(await wrong()).toBe(0);
  const before = asked;
  await clock.advance(60_000);
  expect(await wrong()).toBe(0);
  expect(asked).toBe(before);
});
