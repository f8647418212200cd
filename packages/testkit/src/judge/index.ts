export { bodySum } from "./body-sum.ts";
export { type Acknowledged, type Stored, type Told, offsetOf, partitionOf } from "./evidence.ts";
export { Judge, type JudgeOptions, type Verdict, judge } from "./judge.ts";
export {
  type ConversationOffences,
  OFFENCE_KINDS,
  type Offence,
  type OffenceCounts,
  type OffenceKind,
} from "./offence.ts";
export { TopicReader, type TopicPlace, readTopic } from "./topic-reader.ts";
