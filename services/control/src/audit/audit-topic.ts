import { type Log, createKafkaLog, ensureTopic, formatProblem } from "@millrace/log";
import { type Clock, type CredentialFolder, type Logger, delay } from "@millrace/runtime";

export interface AuditTopicOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly isDevelopment: boolean;
  readonly clientId: string;
  readonly credentials?: CredentialFolder;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 2_000;

/**
 * The log of audit, whose topic is made where it is missing, as soon as Kafka answers; until then
 * nothing can be written. Settings that break a promise are told, and do not keep control from serving.
 */
export function openAuditLog(options: AuditTopicOptions, signal: AbortSignal): Log {
  const log = createKafkaLog(options);
  void settle(options, log, signal);
  return log;
}

/** Never rejects. */
async function settle(options: AuditTopicOptions, log: Log, signal: AbortSignal): Promise<void> {
  const { clock, logger, topic } = options;
  while (!signal.aborted) {
    try {
      const { problems } = await ensureTopic({ ...options, purpose: "audit" });
      for (const problem of problems) {
        logger.warn({ problem: formatProblem(topic, problem) }, "a promise can't be kept");
      }
      await log.open(signal);
      return;
    } catch (cause) {
      if (signal.aborted) return;
      logger.warn({ err: cause, topic }, "the topic of audit can't be reached yet");
      await delay(clock, RETRY_MS, signal);
    }
  }
}
