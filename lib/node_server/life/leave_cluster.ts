/**
 * How a node leaves the cluster in order, while it is still being served: reads are answered by other replicas, a master
 * with a slave finishes its writes and holds further requests until the slave has taken over, and what other nodes have
 * sent is answered.
 */

import { sleep } from "../../base/sleep.ts";
import type { Server } from "../../net/server.ts";
import type { NodeContext } from "../node_context.ts";
import { within } from "./gate.ts";
import type { IndexLink } from "./index_link.ts";

/** The writes under way, the choice of the next master and others' last requests may take so long each. */
const STEP_MS_MAX = 2000;
/** What other nodes have sent before they got the map without us arrives within this time. */
const ARRIVAL_MS = 100;
const POLL_MS = 20;

/** Resolves when nobody needs this node any more, or has waited long enough. */
export async function leaveCluster(context: NodeContext, link: IndexLink, server: Server): Promise<void> {
  const { routing, handover, runtime } = context;
  routing.setLeaving(true);
  const { hasSuccessor } = routing;
  if (hasSuccessor) {
    handover.beginLeaving();
    if (!(await within(runtime.clock, STEP_MS_MAX, finishWrites(context)))) {
      runtime.log.write("warning", `writes under way did not end within ${STEP_MS_MAX} ms`);
    }
  }
  handover.announced = true;
  if (await link.tellShutdown()) {
    if (hasSuccessor) await within(runtime.clock, STEP_MS_MAX, handover.over);
    handover.end();
    await letNodesGo(context, server);
  } else {
    runtime.log.write("warning", "no index server could be told of the shutdown");
    routing.setLeaving(false);
    handover.end();
  }
}

/** Resolves when every write under way is answered, committed and with the replicas. */
export async function finishWrites({ handover, replicator, storage }: NodeContext): Promise<void> {
  const committed = new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
  await Promise.all([handover.finished(), committed]);
  await replicator.idle();
}

/**
 * Every node has the new map now and closes its lanes as soon as they are answered. What it sent before is answered: of a
 * request that is left unanswered nobody knows whether it was carried out.
 */
async function letNodesGo({ runtime: { clock } }: NodeContext, server: Server): Promise<void> {
  const startMs = clock.monotonicMs();
  for (;;) {
    await sleep(clock, POLL_MS);
    const waitedMs = clock.monotonicMs() - startMs;
    const isAlone = waitedMs >= ARRIVAL_MS && [...server.sessions].every(({ isNode }) => !isNode);
    if (isAlone || waitedMs >= STEP_MS_MAX) return;
  }
}
