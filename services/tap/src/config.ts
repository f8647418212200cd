import {
  type Environment,
  type OptionValues,
  type ReadOptions,
  choiceOption,
  portOption,
  readOptions,
  textOption,
} from "@millrace/runtime";
import { MESSAGES_TOPIC } from "@millrace/schemas";

export const TAP_PREFIX = "TAP_";

/** Every option of the tap; `npm run check -- --write` puts it into docs/operations.md. */
export const TAP_OPTIONS = {
  host: textOption({ meaning: "address that the registry listens on", fallback: "127.0.0.1" }),
  port: portOption({ meaning: "port of the registry; 0 takes any free one", fallback: 8081 }),
  topic: textOption({
    meaning: "the topic of the messages; `<topic>-value` is the subject of their schemas",
    fallback: MESSAGES_TOPIC,
  }),
  logLevel: choiceOption({
    meaning: "debug, info, warn, error or silent",
    fallback: "info",
    type: "level",
    choices: ["debug", "info", "warn", "error", "silent"],
  }),
};

export type TapConfig = OptionValues<typeof TAP_OPTIONS>;

export function readTapConfig(environment: Environment): ReadOptions<typeof TAP_OPTIONS> {
  return readOptions(TAP_OPTIONS, { prefix: TAP_PREFIX, environment });
}
