/**
 * Which requests to a node server only nodes and operators have a use for: `admin-access` says who may make them. Those
 * that only read or write a client's items, or only report, are everybody's.
 */

import { Command } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";

const PRIVILEGED: ReadonlySet<Command> = new Set<Command>([
  // The index server's: whoever says it decides where all keys are.
  Command.node,
  // Whole copies of the data, and everything that happens to them.
  Command.dump,
  Command.dump_key,
  Command.watch,
  // What takes something from all other clients.
  Command.flush_all,
  Command.kill,
]);

/** True for a request that `admin-access` has to allow. */
export function isPrivilegedAtNode(request: Request): boolean {
  // The prefix in front of a forwarded request says that a node has decided about it already.
  return request.prefix !== undefined || PRIVILEGED.has(request.command);
}
