export {
  type MessageFields as Message,
  dmConversation,
  inboxConversation,
} from "@millrace/schemas";
export { type Client, type ConnectOptions, connect } from "./client.ts";
export type { Environment } from "./environment.ts";
export { type ClientErrorCode, MillraceError } from "./errors.ts";
export type { ClientState } from "./link.ts";
export type { PublishOptions, Published } from "./publisher.ts";
export type { Gap, StartFrom, SubscribeOptions, Subscription } from "./subscription.ts";
