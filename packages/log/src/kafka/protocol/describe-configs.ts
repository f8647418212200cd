import type { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CONFIG_RESOURCES } from "./incremental-alter-configs.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

export interface DescribedSettings {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly name: string;
  readonly settings: readonly DescribedSetting[];
}

export interface DescribedSetting {
  readonly name: string;
  /** Null where it is kept secret. */
  readonly value: string | null;
  /** Where it comes from, in Kafka's numbers (KIP-226). */
  readonly source: number;
}

const ALL_SETTINGS = -1;

/**
 * DescribeConfigs v1: settings of topics, or of brokers, of which each tells only its own. kafkajs
 * looks at the metadata of every topic before it asks, and asks nothing where one partition of the
 * cluster has no leader.
 *
 * resources => type INT8, name STRING, configuration_keys (nullable); include_synonyms BOOLEAN
 */
export function describeConfigsRequest(
  kind: keyof typeof CONFIG_RESOURCES,
  names: readonly string[],
  only?: readonly string[],
): WireRequest<DescribedSettings[]> {
  const body = new ByteWriter().int32(names.length);
  for (const name of names) {
    body
      .int8(CONFIG_RESOURCES[kind])
      .string(name)
      .int32(only?.length ?? ALL_SETTINGS);
    for (const setting of only ?? []) body.string(setting);
  }
  return {
    apiKey: API_KEYS.DESCRIBE_CONFIGS,
    apiName: "DescribeConfigs",
    apiVersion: 1,
    body: body.int8(0).finish(),
    read: (response) => {
      response.int32();
      return response.array(() => {
        const errorCode = response.int16();
        const errorMessage = response.string();
        response.int8();
        const name = response.string() ?? "";
        const settings = response.array(() => settingIn(response));
        return { errorCode, errorMessage, name, settings };
      });
    },
  };
}

function settingIn(response: ByteReader): DescribedSetting {
  const name = response.string() ?? "";
  const value = response.string();
  response.int8();
  const source = response.int8();
  response.int8();
  // Synonyms were not asked for; the array is there all the same.
  response.array(() => {
    response.string();
    response.string();
    return response.int8();
  });
  return { name, value, source };
}
