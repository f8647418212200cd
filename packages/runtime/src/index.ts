export * from "./clock.ts";
export * from "./credential-folder.ts";
export * from "./lifecycle.ts";
export * from "./logger.ts";
export * from "./must.ts";
export * from "./options.ts";
export * from "./two-lanes.ts";
