/** The in-memory engine: `memory-level`. The only file that imports it, loaded on demand. */

import { MemoryLevel } from "memory-level";
import { Engine } from "./engine.ts";

/** An empty database in memory. */
export function openMemoryEngine(): Promise<Engine> {
  const database = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
    storeEncoding: "view",
  });
  return Engine.open(database, { name: "memory", durable: false, copiesWrites: false, viewsByDefault: true, owned: true });
}
