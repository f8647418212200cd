import { ByteWriter } from "./byte-writer.ts";
import { API_KEYS, type WireRequest } from "./wire-request.ts";

/** Kafka's numbers for the kinds of things that have settings. */
export const CONFIG_RESOURCES = { TOPIC: 2, BROKER: 4 } as const;

export interface SettingsChange {
  readonly kind: keyof typeof CONFIG_RESOURCES;
  /** A topic's name, or a broker's number. */
  readonly name: string;
  /** What each setting becomes; null takes away what was set dynamically. */
  readonly settings: Readonly<Record<string, string | null>>;
}

export interface SettingsAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly name: string;
}

const SET = 0;
const DELETE = 1;

/**
 * IncrementalAlterConfigs v0 (KIP-339): changes the settings that are named and no other one, where
 * the older AlterConfigs replaces all of them.
 *
 * resources => type INT8, name STRING, configs; configs => name STRING, operation INT8, value
 * NULLABLE_STRING; validate_only BOOLEAN
 */
export function alterConfigsRequest(
  changes: readonly SettingsChange[],
): WireRequest<SettingsAnswer[]> {
  const body = new ByteWriter().int32(changes.length);
  for (const { kind, name, settings } of changes) {
    const entries = Object.entries(settings);
    body.int8(CONFIG_RESOURCES[kind]).string(name).int32(entries.length);
    for (const [setting, value] of entries) {
      body
        .string(setting)
        .int8(value === null ? DELETE : SET)
        .string(value);
    }
  }
  return {
    apiKey: API_KEYS.INCREMENTAL_ALTER_CONFIGS,
    apiName: "IncrementalAlterConfigs",
    apiVersion: 0,
    body: body.int8(0).finish(),
    read: (response) => {
      response.int32();
      return response.array(() => {
        const errorCode = response.int16();
        const errorMessage = response.string();
        response.int8();
        return { errorCode, errorMessage, name: response.string() ?? "" };
      });
    },
  };
}
