import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

export interface ProducerIdAnswer {
  readonly errorCode: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Only of meaning with transactions. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** InitProducerId v1 without a transaction: a producer id that nobody has had before (KIP-98). */
export function initProducerIdRequest(): WireRequest<ProducerIdAnswer> {
  return {
    apiKey: API_KEYS.INIT_PRODUCER_ID,
    apiName: "InitProducerId",
    apiVersion: 1,
    body: new ByteWriter().string(null).int32(NO_TIMEOUT_MS).finish(),
    read: (response) => {
      response.int32();
      return {
        errorCode: response.int16(),
        producerId: response.int64(),
        producerEpoch: response.int16(),
      };
    },
  };
}
