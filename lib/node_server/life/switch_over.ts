/**
 * `node handover <milliseconds>`: a running master prepares to hand its partition over to a slave. It holds requests, finishes
 * and replicates the writes in flight, and then answers OK: now the operator promotes a slave. Held requests resume as soon as
 * the node map names the new master, or after the given time. The original does not have this command and answers ERROR.
 */

import { parseWholeNumber } from "../../base/whole_number.ts";
import { STOPPING } from "../../protocol/text/refusal_lines.ts";
import type { NodeComponents } from "../node_components.ts";
import { within } from "./gate.ts";
import { finishWrites } from "./leave_cluster.ts";

/** Timeout for the writes in flight. */
const FINISH_MS_MAX = 2000;
const HOLD_MS_MAX = 60000;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "handover" | "replicator" | "routing" | "runtime" | "storage">;

/** Executes `node handover` followed by `words`; 0 milliseconds: resumes held requests. */
export async function prepareSwitchOver(parts: Parts, words: readonly string[]): Promise<string> {
  const { routing, handover, replicator, runtime } = parts;
  const limitMs = parseWholeNumber(words[0], HOLD_MS_MAX);
  if (words.length !== 1 || limitMs === undefined) {
    return `CLIENT_ERROR usage: node handover <0 to ${HOLD_MS_MAX} milliseconds>`;
  }
  if (handover.leaving) return STOPPING;
  if (limitMs === 0) {
    handover.end();
    return "OK";
  }
  if (!routing.hasSuccessor) return "SERVER_ERROR there is no active slave that could take over";
  if (handover.holding) return "SERVER_ERROR a handover is already in progress";

  const refused = replicator.failures + replicator.dropped;
  handover.begin();
  handover.expireAfter(limitMs, () => {
    runtime.log.write("warning", `no slave took over within ${limitMs} ms: still the master`);
  });
  const isFinished = await within(runtime.clock, Math.min(limitMs, FINISH_MS_MAX), finishWrites(parts));
  if (handover.leaving) return STOPPING;
  if (isFinished && replicator.failures + replicator.dropped === refused && handover.holding) return "OK";
  handover.end();
  return isFinished ? "SERVER_ERROR a slave did not accept a write" : "SERVER_ERROR the writes in flight did not finish";
}
