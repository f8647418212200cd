/** Every bound of control; services/control/README.md lists what happens at each. */
export const LIMITS = {
  /** The largest body names some brokers and topics. */
  bodyBytes: 16_384,
  /** From the first byte of a request to its last. */
  requestMs: 10_000,
  /** Requests of the API in progress; a move holds one for up to `moveMs`. */
  requestsInFlight: 64,
  /** Of one operator: what a person and a page ask for is far below it. */
  requestsPerSec: 100,
  requestBurst: 200,
  /** Whose requests are counted; beyond it counting begins anew. */
  operatorsCounted: 1_000,
  connections: 512,
  /** Pages and tools that follow the events. */
  followers: 32,
  /** A follower that has taken less than was sent to it by so much is let go. */
  followerBytes: 1_048_576,
  followMs: 1_000,
  /** One look at the edges and the cluster serves everybody for so long. */
  lookMs: 1_000,
  /** An edge that has not answered by then is shown as unreachable. */
  edgeMs: 2_000,
  /** The cluster is shown as away when it has not answered by then. */
  clusterMs: 3_000,
  /** For a call that waits for the log, which an edge gives 5 s. */
  orderMs: 7_000,
  /** An order is taken to no further edge by then: the one that was asked last has `orderMs`. */
  ordersMs: 14_000,
  /** One edge's answer; a report of 1,000 partitions has about 1 MB. */
  edgeBytes: 4_194_304,
  /** Addresses that are asked; status says when there are more. */
  edges: 256,
  /** For so long a move waits for the group. */
  moveMs: 10_000,
  movePollMs: 250,
  /** The group is asked to distribute anew when a pin alone has not moved anything by then. */
  nudgeMs: 2_500,
  auditMs: 5_000,
  auditLimit: 500,
  auditReadBytes: 1_048_576,
  /** Records behind a page's end in which the outcomes of its calls are looked for. */
  auditSlack: 200n,
  /** Records that one page looks through at most. */
  auditScan: 20_000n,
  /** How often topics, partitions and owners are looked at for the metrics. */
  watchMs: 30_000,
  certificateMs: 300_000,
  /** Once more, after the first look that failed: what shows it may have started later than control. */
  certificateAgainMs: 15_000,
  certificateProbeMs: 5_000,
  reassignmentMs: 2_000,
  /** A throttle below that would not end in any time. */
  throttleBytesPerSecMin: 1_024,
  /** A partition whose tail has not moved for so long, though the log goes on, stands still. */
  stalledMs: 10_000,
  /** Behind the log's end for so long, or by so many records, is worth a finding. */
  lagMs: 5_000,
  lagRecords: 1_000,
  /** Bytes that wait for a client which does not read. */
  bufferedBytes: 65_536,
  tokenSoonMs: 60_000,
  /** From SIGTERM to the end of the process: a move in progress comes to its end. */
  drainMs: 20_000,
} as const;
