import { expect, it } from "vitest";
import { expand } from "./container-environment.ts";

it("A container's variable may name those before it, as Kubernetes writes it", () => {
  const values = { EDGE_HOST: "127.9.0.1", EMPTY: "" };
  expect(expand("$(EDGE_HOST):9470", values)).toBe("127.9.0.1:9470");
  expect(expand("a$(EMPTY)b", values)).toBe("ab");
  expect(expand("$(LATER) $EDGE_HOST", values)).toBe("$(LATER) $EDGE_HOST");
  expect(expand("$$(EDGE_HOST)", values)).toBe("$(EDGE_HOST)");
});
