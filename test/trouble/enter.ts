import { waitFor } from "@millrace/testkit";
import type { EdgePlace, EdgeStage } from "../../services/edge/src/testing/edge-stage.ts";
import type { RawClient } from "../../services/edge/src/testing/raw-client.ts";

/** A client that nothing but the trouble itself can end. One that is asked to wait (503) comes again. */
export async function enter(
  stage: EdgeStage,
  edge: EdgePlace,
  user: string,
  query: Readonly<Record<string, string>> = {},
): Promise<RawClient> {
  const token = await stage.issuer.token({ sub: user });
  const tryOnce = async (): Promise<RawClient | undefined> => {
    try {
      return await stage.connectByToken(edge, token, query);
    } catch (error) {
      if (String(error).includes("503")) return undefined;
      throw error;
    }
  };
  return waitFor(tryOnce, { what: `${user} is let in` });
}
