export { bodySum } from "./body-sum.ts";
export { type Acknowledged, type Stored, type Told, offsetOf } from "./evidence.ts";
export { Judge, type JudgeOptions, type Verdict, judge } from "./judge.ts";
export { OFFENCE_KINDS, type Offence, type OffenceKind } from "./offence.ts";
export { TopicReader, type TopicPlace, readTopic } from "./topic-reader.ts";
