import { API_KEYS, type WireRequest } from "./wire-request.ts";

/** Highest version that the broker speaks, by API key. */
export type ApiVersions = ReadonlyMap<number, number>;

/** ApiVersions v0: the first request on every connection, known to every broker. */
export const apiVersionsRequest: WireRequest<ApiVersions> = {
  apiKey: API_KEYS.API_VERSIONS,
  apiName: "ApiVersions",
  apiVersion: 0,
  body: Buffer.alloc(0),
  read: (response) => {
    response.int16();
    return new Map(
      response.array(() => {
        const apiKey = response.int16();
        response.int16();
        return [apiKey, response.int16()] as const;
      }),
    );
  },
};
