/**
 * Which requests to a node server only nodes and operators have a use for: `admin-access` says who may make them. Those
 * that read, list or write items (`scan keys lru_crawler metadump` among them), or only report, are everybody's.
 */

import { Command } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";

type Words = readonly string[];

/** Per command whether it is privileged, or with which words behind it; what is not named is not. */
const PRIVILEGED: ReadonlyMap<Command, true | ((words: Words) => boolean)> = new Map<
  Command,
  true | ((words: Words) => boolean)
>([
  // The index server's: whoever says it decides where all keys are.
  [Command.node, true],
  // Copies of all data with the versions nodes need, and everything that happens to them.
  [Command.dump, true],
  [Command.dump_key, true],
  [Command.watch, true],
  // What takes something from all other clients.
  [Command.flush_all, true],
  [Command.delete_prefix, true],
  [Command.kill, true],
  [Command.cache_memlimit, true],
  [Command.lru_crawler, ([word]) => word !== "metadump" && word !== "mgdump"],
  [Command.stats, ([word, switched]) => CHANGING_STATS.has(word ?? "") || (word === "detail" && switched !== "dump")],
  // Reads files, and may change who is let in.
  [Command.refresh_certs, true],
]);

const CHANGING_STATS: ReadonlySet<string> = new Set(["reset", "sizes_enable", "sizes_disable"]);

/** True for a request that `admin-access` has to allow. */
export function isPrivilegedAtNode(request: Request): boolean {
  // The prefix in front of a forwarded request says that a node has decided about it already.
  if (request.prefix !== undefined) return true;
  const privileged = PRIVILEGED.get(request.command);
  return privileged === true || privileged?.(request.words) === true;
}
