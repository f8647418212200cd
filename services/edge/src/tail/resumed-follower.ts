import type { TailFollower } from "./partition-tail.ts";

/** A follower of a tail that begins where the log has lost nothing, until it jumps. */
export function resuming(follower: TailFollower): TailFollower {
  if (follower.resumed === undefined) return follower;
  let isFirst = true;
  return {
    began: (partition, position) => {
      if (isFirst) follower.resumed?.(partition, position);
      else follower.began(partition, position);
      isFirst = false;
    },
    passed: (chunk) => follower.passed(chunk),
  };
}
