/** Progress of a long operation as text: done, total, rate and the time left. Pure; the caller passes the time. */

import { roleName, stateName } from "../cluster/node.ts";
import type { CopyProgress } from "./change_runner.ts";

/** Seconds until `total` at the current rate; undefined if unknown. */
export function secondsLeft(done: number, total: number, elapsedMs: number): number | undefined {
  if (done <= 0 || elapsedMs <= 0 || done >= total) return done > 0 && done >= total ? 0 : undefined;
  return Math.ceil(((total - done) * elapsedMs) / done / 1000);
}

/** The progress line of a copy. @example "251/500 (role = slave, state = prepare) [ETA: 1 sec (elapsed = 1 sec)]" */
export function copyProgressText({ node, items, itemsTotal, elapsedMs }: CopyProgress): string {
  const left = secondsLeft(items, itemsTotal, elapsedMs);
  const eta = left === undefined ? "n/a" : `${left} sec`;
  const elapsed = Math.round(elapsedMs / 1000);
  const place = `role = ${roleName(node.role)}, state = ${stateName(node.state)}`;
  return `${items}/${itemsTotal} (${place}) [ETA: ${eta} (elapsed = ${elapsed} sec)]`;
}

/**
 * The progress line of a stream of items; `itemsTotal` undefined = unknown. @example "500/1000 items, 250 items/s [ETA: 2 sec]"
 */
export function streamProgressText(what: string, items: number, itemsTotal: number | undefined, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? Math.round((items * 1000) / elapsedMs) : 0;
  const left = itemsTotal === undefined ? undefined : secondsLeft(items, itemsTotal, elapsedMs);
  const total = itemsTotal === undefined ? "" : `/${itemsTotal}`;
  const eta = left === undefined ? "" : ` [ETA: ${left} sec]`;
  return `${items}${total} ${what}, ${rate} ${what}/s${eta}`;
}
