/** Every bound of the registry; services/tap/README.md lists what happens at each. */
export const LIMITS = {
  /** A schema text to look up; those that are registered have a few thousand bytes. */
  bodyBytes: 262_144,
  /** From the first byte of a request to its last. */
  requestMs: 10_000,
  headersMs: 5_000,
  /** An idle connection is kept so long for the next request. */
  keepAliveMs: 15_000,
  connections: 256,
  /** From SIGTERM to the end of the process. */
  drainMs: 3_000,
} as const;
