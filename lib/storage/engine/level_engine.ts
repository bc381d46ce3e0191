/**
 * The durable engine: LevelDB through `level`. The only file that imports it, loaded on demand. Values are not compressed
 * (compression costs more CPU than it saves), and the write buffer is large, because checkpoints write in batches.
 */

import { Level } from "level";
import type { Runtime } from "../../runtime/runtime.ts";
import type { DataDirectory } from "../directory/data_directory.ts";
import { Engine } from "./engine.ts";
import { TableAudit } from "./table_audit.ts";

const WRITE_BUFFER_BYTES = 1 << 24;
const BLOCK_CACHE_BYTES = 1 << 23;

/** Opens or creates the database of a data directory. @throws FlareError CORRUPT | IO_ERROR */
export async function openLevelEngine(runtime: Runtime, directory: DataDirectory): Promise<Engine> {
  await directory.checkLevel();
  const { enginePath } = directory;
  const database = new Level<Uint8Array, Uint8Array>(enginePath, {
    keyEncoding: "view",
    valueEncoding: "view",
    compression: false,
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: BLOCK_CACHE_BYTES,
  });
  const traits = { name: "level", durable: true, copiesWrites: true, viewsByDefault: true, owned: true };
  return Engine.open(database, traits, new TableAudit(runtime, enginePath));
}
