/**
 * The wire protocol's versions. A version is a WebSocket sub-protocol: the client offers it, the
 * server echoes exactly it, and a change that an old client could not ignore needs a new one.
 *
 * - 1 (`millrace.v1.json`): JSON text frames, docs/protocol.md.
 */
export const PROTOCOL_VERSION = 1;

export const SUBPROTOCOL = "millrace.v1.json";

/** Browsers can't set headers: their token rides in a second offered sub-protocol, never echoed. */
export const BEARER_SUBPROTOCOL_PREFIX = "bearer.";
