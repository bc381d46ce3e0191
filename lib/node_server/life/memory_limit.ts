/**
 * `cache_memlimit`: changes `memory-limit` of the running node. memcached's answers; the next start or a reload of the settings
 * restores the configured limit.
 */

import { MIB } from "../../base/byte_units.ts";
import { storageOptionTable } from "../../storage/storage_options.ts";
import type { NodeComponents } from "../node_components.ts";

/** memcached's lower bound. */
const MIB_MIN = 8;
const TOO_SMALL = `MEMLIMIT_TOO_SMALL cannot set maxbytes to less than ${MIB_MIN}m`;
const OUT_OF_BOUNDS = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "options" | "runtime" | "storage" | "watchers">;

/** Executes `cache_memlimit <MiB> [noreply]`; returns the answer line, undefined = none. */
export function setMemoryLimit(parts: Parts, words: readonly string[]): string | undefined {
  const line = change(parts, words);
  return words.at(-1) === "noreply" ? undefined : line;
}

function change(parts: Parts, [text, ...rest]: readonly string[]): string {
  if (text === undefined || rest.length > 1 || !/^\+?\d{1,20}$/.test(text)) return "ERROR";
  const mib = Number(text);
  if (mib < MIB_MIN) return TOO_SMALL;
  if (!storageOptionTable.memoryBytesMax.accepts(mib * MIB)) return OUT_OF_BOUNDS;
  parts.storage.resizeMemory(mib * MIB);
  parts.options = { ...parts.options, memoryBytesMax: mib * MIB };
  parts.runtime.log.write("notice", `memory-limit is ${mib} MiB now`);
  parts.watchers.happened(`type=memory_limit bytes=${mib * MIB}`);
  return "OK";
}
