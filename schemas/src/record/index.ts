export * from "./audit.ts";
export * from "./control.ts";
export * from "./cursor.ts";
export * from "./message.ts";
export * from "./message-id.ts";
export * from "./order.ts";
export * from "./schema-index.ts";
