/**
 * The durable engine: LevelDB through `level`. The only file that imports it, loaded only when it is wanted. Values are
 * not compressed (they cost more CPU than they save), and the write buffer is large, since checkpoints come in batches.
 */

import { Level } from "level";
import { Engine } from "./engine.ts";

const WRITE_BUFFER_BYTES = 1 << 24;
const BLOCK_CACHE_BYTES = 1 << 23;

/** Opens or creates a database in a directory. @throws FlareError IO_ERROR */
export async function openLevelEngine(directory: string): Promise<Engine> {
  const database = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: false,
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: BLOCK_CACHE_BYTES,
  });
  return Engine.open(database, { name: "level", durable: true, copiesWrites: true, viewsByDefault: true, owned: true });
}
