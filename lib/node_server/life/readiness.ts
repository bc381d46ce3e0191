/**
 * When a node is ready: when it serves what its role is for. A load balancer should send clients to it then, and only then. Its
 * own map, lease and storage say so; whether the other nodes serve is theirs to say. Pure.
 */

import type { Uint64 } from "../../base/uint64.ts";
import { NodeRole, NodeState } from "../../cluster/node.ts";
import { notReady, type Readiness, ready } from "../../net/http/health.ts";
import type { NodeComponents } from "../node_components.ts";

/** What it takes of a node server. */
type Parts = {
  readonly routing: Pick<NodeComponents["routing"], "nodeMap" | "partitionMap" | "self">;
  readonly lease: Pick<NodeComponents["lease"], "state">;
  readonly storage: Pick<NodeComponents["storage"], "failure">;
};

/** Of a node that has joined; `isStopping`: it leaves. */
export function nodeReadiness({ lease, routing, storage }: Parts, isStopping: boolean): Readiness {
  const { self, nodeMap, partitionMap } = routing;
  if (isStopping) return notReady("it is stopping");
  if (storage.failure !== undefined) return notReady(`writes fail until a restart: ${storage.failure.message}`);
  if (self === undefined) return notReady(`it is not in node map ${nodeMap.version}: it has not joined yet`);
  if (self.state === NodeState.down) return notReady("it is down in the node map: the index server could not reach it");
  if (self.role === NodeRole.proxy) return proxyReadiness(partitionMap.active.length, nodeMap.version);
  const role = self.role === NodeRole.master ? "master" : "slave";
  const place = `partition ${self.partition}`;
  if (self.state === NodeState.prepare) return notReady(`it is the ${role} of ${place}, and still copies its data`);
  if (self.state === NodeState.ready)
    return notReady(`it is the ${role} of ${place}, has copied its data, and is not active yet`);
  if (lease.state === "lost") return notReady(`it is the ${role} of ${place}, but its lease has ended: ${LOST[role]}`);
  return ready(`active ${role} of ${place}`);
}

const LOST = {
  master: "not every slave confirms that it is still the master",
  slave: "its master does not renew it",
} as const;

function proxyReadiness(partitions: number, mapVersion: Uint64): Readiness {
  if (partitions === 0) return notReady("it is a proxy, and no partition is active yet");
  return ready(`active proxy for ${partitions} partitions, node map ${mapVersion}`);
}
