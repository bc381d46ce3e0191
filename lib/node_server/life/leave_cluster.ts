/**
 * How a node leaves the cluster gracefully while it is still serving: other replicas answer reads, a master with a slave
 * finishes its writes and holds further requests until the slave has taken over, and requests of other nodes are answered.
 */

import { sleep } from "../../base/sleep.ts";
import type { Server } from "../../net/server.ts";
import type { NodeComponents } from "../node_components.ts";
import { within } from "./gate.ts";
import type { IndexLink } from "./index_link.ts";

/** Timeout for each of: the writes in flight, the choice of the next master, and others' last requests. */
const STEP_MS_MAX = 2000;
/** Requests that other nodes sent before they got the map without us arrive within this time. */
const ARRIVAL_MS = 100;
const POLL_MS = 20;

/** Resolves when no node needs this one any more, or after a timeout. */
export async function leaveCluster(
  parts: Pick<NodeComponents, "handover" | "replicator" | "routing" | "runtime" | "storage">,
  link: IndexLink,
  server: Server,
): Promise<void> {
  const { routing, handover, runtime } = parts;
  routing.setLeaving(true);
  const { hasSuccessor } = routing;
  if (hasSuccessor) {
    handover.beginLeaving();
    if (!(await within(runtime.clock, STEP_MS_MAX, finishWrites(parts)))) {
      runtime.log.write("warning", `writes in flight did not finish within ${STEP_MS_MAX} ms`);
    }
  }
  handover.announced = true;
  if (await link.tellShutdown()) {
    if (hasSuccessor) await within(runtime.clock, STEP_MS_MAX, handover.over);
    handover.end();
    await letNodesGo(parts, server);
  } else {
    runtime.log.write("warning", "no index server could be notified of the shutdown");
    routing.setLeaving(false);
    handover.end();
  }
}

/** Resolves when every write in flight is answered, committed and replicated. */
export async function finishWrites({
  handover,
  replicator,
  storage,
}: Pick<NodeComponents, "handover" | "replicator" | "storage">): Promise<void> {
  const committed = new Promise<void>((resolve) => storage.onCommit({ onCommitted: () => resolve() }));
  await Promise.all([handover.finished(), committed]);
  await replicator.idle();
}

/**
 * Every node now has the new map and closes its lanes as soon as they are answered. Earlier requests are answered, because an
 * unanswered request would be in doubt.
 */
async function letNodesGo({ runtime: { clock } }: Pick<NodeComponents, "runtime">, server: Server): Promise<void> {
  const startMs = clock.monotonicMs();
  for (;;) {
    await sleep(clock, POLL_MS);
    const waitedMs = clock.monotonicMs() - startMs;
    const isAlone = waitedMs >= ARRIVAL_MS && [...server.sessions].every(({ isNode }) => !isNode);
    if (isAlone || waitedMs >= STEP_MS_MAX) return;
  }
}
