/**
 * The arena beside a Map of strings, and the checkpoint of its dirty entries into LevelDB.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run } from "mitata";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { MutationKind } from "../../lib/item/mutation.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { emptyEntry } from "../../lib/storage/arena/cached_entry.ts";
import { EntryCache } from "../../lib/storage/arena/entry_cache.ts";
import { RecordFields } from "../../lib/storage/arena/record_fields.ts";
import { RecordState } from "../../lib/storage/arena/record_state.ts";
import { Storage } from "../../lib/storage/storage.ts";

const KEYS = 100000;
const NOW = 1_700_000_000;
const VALUE = fromLatin1("v".repeat(100));
const keys = Array.from({ length: KEYS }, (_, i) => fromLatin1(`key:${String(i).padStart(10, "0")}`));

const cache = new EntryCache(1 << 28, 4711);
const map = new Map<string, Uint8Array>();
const view = emptyEntry();
const fields = new RecordFields().set(RecordState.dirty, 0, 0, 1);
for (const key of keys) {
  const hash = cache.hash(key, 0, key.length);
  cache.find(hash, key, 0, key.length);
  if (!cache.fits(cache.recordBytes(1, key.length, 0, VALUE.length))) throw new Error("the arena is too small");
  cache.append(hash, { bytes: key, start: 0, end: key.length }, fields, VALUE.length, 0, 0, view);
  view.bytes.set(VALUE, view.valueStart);
  map.set(latin1(key), VALUE.slice());
}

function fromArena(key: Uint8Array): Uint8Array {
  cache.read(cache.find(cache.hash(key, 0, key.length), key, 0, key.length), view);
  return view.bytes;
}

for (const key of keys) {
  const bytes = fromArena(key);
  assertEquals(latin1(bytes, view.valueStart, view.valueEnd), latin1(map.get(latin1(key)) as Uint8Array));
}

let at = 0;
function next(): Uint8Array {
  at = (at + 7919) % KEYS;
  return keys[at] as Uint8Array;
}

bench("arena: find and read", () => do_not_optimize(fromArena(next())));
bench("Map of strings: get", () => do_not_optimize(map.get(latin1(next()))));
await run();

const directory = mkdtempSync(join(tmpdir(), "flare-bench-"));
const storage = await Storage.open(detectRuntime(), { dataDir: directory });
const request = {
  kind: MutationKind.set,
  flags: 0,
  expire: 0,
  version: 0,
  value: VALUE,
  valueStart: 0,
  valueEnd: VALUE.length,
  delta: 0,
};
for (let round = 0; round < 3; round++) {
  // A turn's changes are appended together, so the turns are ended at intervals.
  for (const [i, key] of keys.entries()) {
    if (i % 1000 === 0) await new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
    storage.apply({ ...request, key: { bytes: key, start: 0, end: key.length } }, NOW);
  }
  const start = performance.now();
  await storage.checkpoint();
  console.log(`checkpoint of ${KEYS} entries: ${(((performance.now() - start) * 1000) / KEYS).toFixed(2)} µs per entry`);
}
await storage.close();
rmSync(directory, { recursive: true });
