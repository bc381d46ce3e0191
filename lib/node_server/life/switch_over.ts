/**
 * `node handover <milliseconds>`: a master gets ready to give its partition to a slave and goes on running. Requests wait,
 * the writes under way are finished and with the slaves, and then the answer is OK: whoever asked makes a slave master now.
 * What waited goes on as soon as the node map names it, or when the time is over. The original knows no such command and
 * answers ERROR.
 */

import type { NodeContext } from "../node_context.ts";
import { within } from "./gate.ts";
import { finishWrites } from "./leave_cluster.ts";

/** The writes under way may take so long. */
const FINISH_MS_MAX = 2000;
const HOLD_MS_MAX = 60000;

/** Answers `node handover` followed by `words`; 0 milliseconds: requests go on, if they wait. */
export async function prepareSwitchOver(context: NodeContext, words: readonly string[]): Promise<string> {
  const { routing, handover, replicator, runtime } = context;
  const [text] = words;
  const limitMs = Number(text);
  if (words.length !== 1 || text === undefined || !/^\d{1,5}$/.test(text) || limitMs > HOLD_MS_MAX) {
    return `CLIENT_ERROR usage: node handover <0 to ${HOLD_MS_MAX} milliseconds>`;
  }
  if (handover.leaving) return "SERVER_ERROR stopping";
  if (limitMs === 0) {
    handover.end();
    return "OK";
  }
  if (!routing.hasSuccessor) return "SERVER_ERROR there is no active slave that could take over";
  if (handover.holding) return "SERVER_ERROR a handover is under way";

  const refused = replicator.failures + replicator.dropped;
  handover.begin();
  handover.expireAfter(limitMs, () => {
    runtime.log.write("warning", `nobody took over within ${limitMs} ms: still the master`);
  });
  const isFinished = await within(runtime.clock, Math.min(limitMs, FINISH_MS_MAX), finishWrites(context));
  if (handover.leaving) return "SERVER_ERROR stopping";
  if (isFinished && replicator.failures + replicator.dropped === refused && handover.holding) return "OK";
  handover.end();
  return isFinished ? "SERVER_ERROR a slave did not take a write" : "SERVER_ERROR the writes under way did not end";
}
