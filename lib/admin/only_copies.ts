/**
 * Which partitions a change leaves without a copy in service, temporarily or for good, so that operators can be warned. Pure.
 */

import { NodeRole, NodeState } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type Change, type ClusterView, previewSteps } from "./change.ts";

/** A partition that loses its last copy in service. */
export interface LostCopy {
  readonly partition: number;
  /** `host:port` of the node that has it. */
  readonly node: string;
}

/** The partitions with a copy in service before the change and none at some moment of it. @throws FlareError REFUSED */
export function lostCopies(view: ClusterView, change: Change): LostCopy[] {
  const lost = new Map<number, LostCopy>();
  let { map } = view;
  for (const planner of change.planners) {
    for (const step of planner.plan({ ...view, map })) {
      const next = previewSteps({ ...view, map }, [step]);
      for (const copy of copiesInService(map)) {
        const remain = copiesInService(next).some(({ partition }) => partition === copy.partition);
        if (!remain && !lost.has(copy.partition)) lost.set(copy.partition, copy);
      }
      map = next;
    }
  }
  return [...lost.values()];
}

function copiesInService(map: NodeMap): LostCopy[] {
  return map.nodes
    .filter(({ role, state }) => role !== NodeRole.proxy && state === NodeState.active)
    .map(({ key, partition }) => ({ node: key, partition }));
}
