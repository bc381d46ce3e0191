/** The ports of a local cluster are found where no outgoing connection takes them. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { findFreePorts } from "../../../lib/local_cluster/node_addresses.ts";
import type { Listener, Runtime } from "../../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../../mod.ts";

/** Ports that listen while they are looked at; `isTaken` says which of them are somebody else's. */
async function runtimeWith(isTaken: (port: number) => boolean): Promise<{ runtime: Runtime; open: Set<number> }> {
  const open = new Set<number>();
  const listen = (address: { readonly port?: number }): Promise<Listener> => {
    const { port = 0 } = address;
    if (isTaken(port) || open.has(port)) return Promise.reject(new FlareError("ADDRESS_IN_USE", `"${port}" is taken`));
    open.add(port);
    const close = (): Promise<void> => {
      open.delete(port);
      return Promise.resolve();
    };
    return Promise.resolve({ address: { host: "127.0.0.1", port }, close } as unknown as Listener);
  };
  const runtime = detectRuntime();
  return { runtime: { ...runtime, transport: { ...runtime.transport, listen } as Runtime["transport"] }, open };
}

describe("free ports", () => {
  it("are below those of outgoing connections, step over taken ones and are free again", async () => {
    const { runtime, open } = await runtimeWith((port) => port % 3 !== 0);
    const ports = await findFreePorts(runtime, "127.0.0.1", 5);
    assertEquals(new Set(ports).size, 5);
    for (const port of ports) assert(port >= 26000 && port < 32000 && port % 3 === 0, String(port));
    assertEquals(open.size, 0);
  });

  it("that are too few are an error that leaves none open", async () => {
    const { runtime, open } = await runtimeWith((port) => port !== 27000);
    const error = await assertRejects(() => findFreePorts(runtime, "127.0.0.1", 2), FlareError);
    assertEquals(error.code, "ADDRESS_IN_USE");
    assertEquals(open.size, 0);
  });
});
