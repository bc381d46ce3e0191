/**
 * What happens to a joining node, depending on its map entry and on what it reports about its data: a master that returns
 * without the data of its partition does not stay master. Pure, like the other transitions in `node_map.ts`.
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

/** A `node add` request. */
export interface JoinRequest {
  readonly host: string;
  readonly port: number;
  /** Its data identity; undefined: it reports none. */
  readonly data?: DataIdentity | undefined;
  /** The node is up in the map, but does not answer: it restarted before anybody noticed. */
  readonly silent: boolean;
}

const FAILURE = "failed to add node";
const DUPLICATE = "a running node has its server-name and server-port";

/**
 * `node add`: a new node becomes an active proxy; a known one may join if it is down or silent. A restarted slave may have
 * fallen behind and becomes a proxy. A master stays master if it proves that it has its data; if not, an active slave is
 * promoted. Without an active slave, a master that reports nothing is trusted, one with in-memory data starts empty, and one
 * that has lost its data is refused, until an operator accepts that.
 *
 * Flare differs: the original refuses a node until its monitor has noticed that it was gone, and does not know about data: a
 * master without a slave that returns empty serves an empty partition.
 */
export function joinNode(map: NodeMap, request: JoinRequest): Transition {
  const { host, port, data, silent } = request;
  const key = nodeKey(host, port);
  const known = findNode(map, key);
  if (known === undefined) return addNode(map, request);
  if (known.state !== NodeState.down && !silent) {
    const reason = `"${key}" is already in the node map, and a node answers there`;
    // The original says no more, and its nodes know nothing else.
    return refuse(data === undefined ? FAILURE : `${FAILURE}: ${DUPLICATE}, "${key}"`, reason);
  }
  const node: ClusterNode = Object.freeze({ ...known, data: rememberedData(data) });
  const isMaster = node.role === NodeRole.master;
  if (isMaster && (node.state === NodeState.active || node.state === NodeState.down))
    return rejoinMaster(map, node, known.data, data);
  const staysAsItIs = node.role === NodeRole.proxy || node.state === NodeState.down;
  return staysAsItIs ? accept(map, [node]) : restart(map, node);
}

/**
 * `node state … active unsafe`, from an operator, for a master that was or will be refused: whatever data it has when it joins
 * next is accepted as the data of its partition.
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

/** @param node the master's next entry; @param before its data identity at the last join; @param said the one it reports now */
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
  const without = `"${key}" returned without the data of partition ${partition}: ${loss}`;
  const isReplaced = map.nodes.some(
    (other) => other.role === NodeRole.slave && other.state === NodeState.active && other.partition === partition,
  );
  if (isReplaced) {
    const text = verdict === "unknown" ? `"${key}" returned without proof that it has its data` : without;
    return withWarning(restart(map, node), `${text}; a slave takes over`);
  }
  switch (verdict) {
    case "unknown":
      return stays;
    case "passing":
      return withWarning(stays, `${without}, and no other node has it; partition ${partition} is empty`);
    case "lost":
      return refuse(
        `${FAILURE}: ${without}, and no other node has it; start it with its data, or accept the loss: ` +
          `flare activate --unsafe ${key}`,
        `${without}, and no other node has it`,
      );
  }
}

/** The node goes down and returns in one step; its successor gets the map first. */
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

/** The same map with `node` replacing the entry with its key. */
function withNode(map: NodeMap, node: ClusterNode): NodeMap {
  const nodes = map.nodes.map((other) => (other.key === node.key ? node : other));
  return createNodeMap(map.version, nodes, map.nextThreadType);
}
