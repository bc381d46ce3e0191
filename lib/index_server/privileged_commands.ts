/**
 * Which requests to an index server only nodes and operators have a use for: `admin-access` says who may make them. What
 * only reports (`ping version meta stats show`) is everybody's.
 */

import { Command } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";

const PRIVILEGED: ReadonlySet<Command> = new Set<Command>([
  // add, remove, role, state: joining is a change of the node map, too.
  Command.node,
  Command.shutdown,
  Command.kill,
  // Reads files, and may change who is let in.
  Command.refresh_certs,
]);

/** True for a request that `admin-access` has to allow. */
export function isPrivilegedAtIndex(request: Request): boolean {
  return request.prefix !== undefined || PRIVILEGED.has(request.command);
}
