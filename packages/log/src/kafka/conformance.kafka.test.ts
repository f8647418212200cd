import { inject } from "vitest";
import { logConformance } from "../conformance.ts";
import { kafkaSubject } from "../testing/kafka-subject.ts";

logConformance("the log over Kafka", {
  lacks: ["truncation", "large-offsets"],
  setUp: (wish) => kafkaSubject(inject("kafkaBrokers"), wish),
});
