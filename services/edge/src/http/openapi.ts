export const OPENAPI_TEXT = "{}";
