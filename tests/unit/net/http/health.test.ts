/** The health paths of both daemons. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { healthRoutes, notReady, type Readiness, ready } from "../../../../lib/net/http/health.ts";
import { actionsOf } from "../../../../lib/net/http/http_handler.ts";

async function ask(path: string, readiness: Readiness): Promise<[status: number, body: string]> {
  const client = { peer: "192.0.2.1:5", user: undefined, certificateName: undefined };
  const handler = actionsOf(healthRoutes(() => readiness)[path] ?? {}).GET?.handler;
  assert(handler !== undefined);
  const response = await handler(new Request(`http://localhost${path}`), client, new Uint8Array());
  return [response.status, await response.text()];
}

describe("health", () => {
  it("is alive while it answers, ready or not", async () => {
    for (const state of [ready("all is well"), notReady("it copies")]) {
      assertEquals(await ask("/livez", state), [200, "ok: it answers\n"]);
    }
  });

  it("is ready while it serves its role, and says in one line why, or why not", async () => {
    assertEquals(await ask("/readyz", ready("active master")), [200, "ok: active master\n"]);
    assertEquals(await ask("/readyz", notReady("it copies,\r\n  slowly")), [503, "not ready: it copies, slowly\n"]);
  });
});
