/**
 * `Storage.get` and `Storage.apply` in one process: what a request costs below the protocol. The sets include the log's
 * encoding; their append is shared by a turn and measured in change_log.ts.
 */

import { assertEquals } from "@std/assert";
import { bench, do_not_optimize, run } from "mitata";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { type Mutation, MutationKind, MutationResult } from "../../lib/item/mutation.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { Storage } from "../../lib/storage/storage.ts";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { TestDatabase } from "../../tests/support/test_database.ts";

const KEYS = 10000;
const NOW = 1_700_000_000;
const VALUE = fromLatin1("v".repeat(100));

/** Files whose appended bytes are dropped, so that only our own work is measured. */
class NullFiles extends MemoryFiles {
  override openAppend(): ReturnType<MemoryFiles["openAppend"]> {
    return { size: 0, append() {}, sync: async () => {}, truncate() {}, close() {} };
  }
}

const runtime = { ...detectRuntime(), files: new NullFiles() };
const storage = await Storage.open(runtime, { dataDir: "data", engine: new TestDatabase().asEngine });
const keys = Array.from({ length: KEYS }, (_, i) => fromLatin1(`key:${String(i).padStart(10, "0")}`));
const slice = { bytes: keys[0] as Uint8Array, start: 0, end: 14 };
const request: Mutation = {
  kind: MutationKind.set,
  key: slice,
  flags: 0,
  expire: 0,
  version: 0,
  value: VALUE,
  valueStart: 0,
  valueEnd: VALUE.length,
  delta: 1,
};

function pick(i: number): void {
  slice.bytes = keys[i % KEYS] as Uint8Array;
}

for (let i = 0; i < KEYS; i++) {
  pick(i);
  const outcome = storage.apply(request, NOW);
  assertEquals(outcome instanceof Promise ? -1 : outcome.result, MutationResult.stored);
}
pick(4711);
const entry = storage.get(slice, NOW);
if (entry === undefined || entry instanceof Promise) throw new Error("the item is not in memory");
assertEquals(entry.bytes.slice(entry.valueStart, entry.valueEnd), VALUE);

let at = 0;
bench("get, hit", () => {
  pick(at++);
  do_not_optimize(storage.get(slice, NOW));
});
bench("set of a known key (1000 per turn)", async () => {
  for (let i = 0; i < 1000; i++) {
    pick(at++);
    storage.apply(request, NOW);
  }
  await new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
});
await run();
await storage.close();
