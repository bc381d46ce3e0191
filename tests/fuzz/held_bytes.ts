/**
 * The memory this process really uses, after a garbage collection, which each runtime triggers in its own way. Knows no target.
 */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes in use by objects and buffers; undefined where the collector cannot be asked to run first. */
export function heldBytes(): number | undefined {
  const collect = collector();
  if (collect === undefined) return undefined;
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function collector(): (() => void) | undefined {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  if (Bun !== undefined) return () => Bun.gc(true);
  if (gc !== undefined) return gc;
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc") as () => void;
  } catch {
    return undefined;
  }
}
