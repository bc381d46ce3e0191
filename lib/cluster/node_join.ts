/**
 * What becomes of a node that joins, by what the map knows of it and by what it says of its data: a master that comes back
 * without the data of its partition is not the master. Pure, like the other transitions in `node_map.ts`.
 */

import { increment } from "../base/uint64.ts";
import { ANY_DATA, type DataIdentity, describeLoss, judgeData, rememberedData } from "./data_identity.ts";
import { type ClusterNode, createNode, NodeRole, NodeState, nodeKey, PARTITION_NONE } from "./node.ts";
import {
  accept,
  createNodeMap,
  findNode,
  liveMaster,
  type NodeMap,
  nodeDown,
  nodeUp,
  refuse,
  STORED,
  type Transition,
} from "./node_map.ts";

/** What `node add` asks for. */
export interface JoinRequest {
  readonly host: string;
  readonly port: number;
  /** Which data it has; undefined: it does not say. */
  readonly data?: DataIdentity | undefined;
  /** The map says that the node is there, but it does not answer: it has restarted before anybody noticed. */
  readonly silent: boolean;
}

const FAILURE = "failed to add node";

/**
 * `node add`: a new node becomes an active proxy; a known one is welcome when it is down or silent. A slave that was
 * restarted may have fallen behind and becomes a proxy. A master stays what it is if it says that it has the data it had;
 * if it does not, an active slave takes its place. Without one, a master that says nothing is believed, one whose data
 * never outlived a process begins again empty, and one that has lost its data is refused, until an operator accepts that.
 *
 * Flare differs: the original refuses a node until its monitor has noticed that it was gone, and knows nothing of data: a
 * master without a slave that comes back empty serves an empty partition.
 */
export function joinNode(map: NodeMap, request: JoinRequest): Transition {
  const { host, port, data, silent } = request;
  const key = nodeKey(host, port);
  const known = findNode(map, key);
  if (known === undefined) return addNode(map, request);
  if (known.state !== NodeState.down && !silent) {
    return refuse(FAILURE, `"${key}" is in the node map already, and a node answers there`);
  }
  const node: ClusterNode = Object.freeze({ ...known, data: rememberedData(data) });
  const isMaster = node.role === NodeRole.master;
  if (isMaster && (node.state === NodeState.active || node.state === NodeState.down))
    return rejoinMaster(map, node, known.data, data);
  const staysAsItIs = node.role === NodeRole.proxy || node.state === NodeState.down;
  return staysAsItIs ? accept(map, [node]) : restart(map, node);
}

/**
 * `node state … active unsafe`, an operator's word about a master that was refused, or will be: whatever it has when it
 * joins the next time counts as the data of its partition.
 */
export function acceptAnyData(map: NodeMap, key: string): Transition {
  const node = findNode(map, key);
  if (node === undefined) return nodeUp(map, key);
  const believed = withNode(map, Object.freeze({ ...node, data: ANY_DATA }));
  const outcome = nodeUp(believed, key);
  return outcome.ok && !outcome.changes.stored ? accept(believed, []) : outcome;
}

function addNode(map: NodeMap, { host, port, data }: JoinRequest): Transition {
  const node = createNode({
    host,
    port,
    role: NodeRole.proxy,
    state: NodeState.active,
    partition: PARTITION_NONE,
    balance: 0,
    threadType: map.nextThreadType,
    data: rememberedData(data),
  });
  const nodes = [...map.nodes, node];
  return { ok: true, map: createNodeMap(increment(map.version), nodes, map.nextThreadType + 1), changes: STORED };
}

/** @param node the master as it would be; @param before what it said last of its data; @param said what it says now */
function rejoinMaster(
  map: NodeMap,
  node: ClusterNode,
  before: DataIdentity | undefined,
  said: DataIdentity | undefined,
): Transition {
  const { key, partition } = node;
  const stays = accept(map, [node]);
  const verdict = judgeData(before, said);
  const isPreserved = node.state === NodeState.down;
  if (verdict === "same" || (isPreserved && (verdict === "unknown" || liveMaster(map, partition) !== undefined))) return stays;
  const loss = describeLoss(before, said);
  const without = `"${key}" came back without the data of partition ${partition}: ${loss}`;
  const isReplaced = map.nodes.some(
    (other) => other.role === NodeRole.slave && other.state === NodeState.active && other.partition === partition,
  );
  if (isReplaced) {
    const text = verdict === "unknown" ? `"${key}" came back and does not prove that it has its data` : without;
    return withWarning(restart(map, node), `${text}; a slave takes over`);
  }
  switch (verdict) {
    case "unknown":
      return stays;
    case "passing":
      return withWarning(stays, `${without}, and nobody else has them; partition ${partition} is empty`);
    case "lost":
      return refuse(
        `${FAILURE}: ${without}, and nobody else has them; start it with its data, or accept the loss: ` +
          `flare activate --unsafe ${key}`,
        `${without}, and nobody else has them`,
      );
  }
}

/** The node goes and comes back in one step; who takes its place hears of it first. */
function restart(map: NodeMap, node: ClusterNode): Transition {
  const state = node.state === NodeState.down ? NodeState.active : node.state;
  const down = nodeDown(withNode(map, Object.freeze({ ...node, state })), node.key);
  if (!down.ok) return down;
  const up = nodeUp(down.map, node.key);
  return up.ok ? { ...up, changes: { ...up.changes, first: down.changes.first } } : up;
}

function withWarning(outcome: Transition, warning: string): Transition {
  return outcome.ok ? { ...outcome, warning } : outcome;
}

/** The same map with `node` in the place of the one with its key. */
function withNode(map: NodeMap, node: ClusterNode): NodeMap {
  const nodes = map.nodes.map((other) => (other.key === node.key ? node : other));
  return createNodeMap(map.version, nodes, map.nextThreadType);
}
