export * from "./control-plane.ts";
export * from "./control-plane-programs.ts";
export * from "./custom-metrics.ts";
export * from "./kubernetes-api.ts";
export * from "./objects.ts";
export * from "./pod-process.ts";
export * from "./process-kubelet.ts";
export * from "./watched.ts";
