/**
 * A change of the cluster as an operator makes it: the steps it takes, worked out from the node map before anything is
 * done, so that it can be shown, refused or carried out. Pure; who carries it out is `change_runner.ts`, which steps a
 * verb takes is in `change_verbs.ts`.
 */

import { FlareError } from "../base/errors.ts";
import { type ClusterNode, NodeRole, NodeState, roleName, stateName } from "../cluster/node.ts";
import { acceptAnyData } from "../cluster/node_join.ts";
import {
  findNode,
  type NodeMap,
  nodeUp,
  refuse,
  removeNode,
  setRole,
  setState,
  type Transition,
  unchanged,
} from "../cluster/node_map.ts";
import { addressOf } from "./node_targets.ts";

/** So long a master holds requests at most, in milliseconds; what a switch-over takes is a small part of it. */
export const HOLD_MS = 10000;

/** What is waited for, and what the node does meanwhile. */
export const Awaited = {
  /** A slave that has copied everything. */
  activeSlave: "slave, active",
  /** A master that has copied everything, or had nothing to copy. */
  readyMaster: "master, ready",
  /** A node that is free for another role. */
  activeProxy: "proxy, active",
} as const;
export type Awaited = (typeof Awaited)[keyof typeof Awaited];

/** One thing to do; `node` is a key, `host:port`. */
export type Step =
  /**
   * `flush_all` on the node. Before a copy from `source` only where the copy does not do it: a node of ours checks first
   * whether the source has what it has.
   */
  | { readonly kind: "clean"; readonly node: string; readonly source?: string | undefined }
  /** The source has what the node has, as far as the numbers of their items tell. */
  | { readonly kind: "compare"; readonly node: string; readonly source: string }
  | {
      readonly kind: "role";
      readonly node: string;
      readonly role: NodeRole;
      readonly balance: number;
      readonly partition: number;
    }
  | {
      readonly kind: "state";
      readonly node: string;
      readonly state: NodeState;
      /** Whatever data a master has when it joins the next time: they count. */
      readonly unsafe?: boolean;
    }
  | { readonly kind: "remove"; readonly node: string }
  | { readonly kind: "wait"; readonly node: string; readonly until: Awaited }
  /** The process must have been stopped: it does not answer. */
  | { readonly kind: "stopped"; readonly node: string }
  /** A master finishes its writes and holds further requests, until the node map names its successor. */
  | { readonly kind: "hold"; readonly node: string }
  /** Nothing waits any more in a node that cannot hold requests. */
  | { readonly kind: "drain"; readonly node: string };

/** What a plan is made from. */
export interface ClusterView {
  readonly map: NodeMap;
  /** The largest number of partitions there can be. */
  readonly partitionCountMax: number;
}

/** What is to be done for one node. */
export interface Planner {
  /** The key of the node. */
  readonly node: string;
  /** The steps from here. @throws FlareError REFUSED saying why it must not or cannot be done */
  plan(view: ClusterView): readonly Step[];
}

/** What a verb does: node by node, each planned when the one before is done. */
export interface Change {
  readonly planners: readonly Planner[];
  /** So often one node's part is tried again after it failed. */
  readonly retries: number;
}

/** What a change would do. */
export interface Preview {
  readonly before: NodeMap;
  readonly after: NodeMap;
  readonly steps: readonly Step[];
}

/** One node before and after; undefined = not there. */
export interface NodeDifference {
  readonly key: string;
  readonly before: ClusterNode | undefined;
  readonly after: ClusterNode | undefined;
}

/** Works out a change without doing anything. @throws FlareError REFUSED */
export function previewChange(view: ClusterView, change: Change): Preview {
  let map = view.map;
  const steps: Step[] = [];
  for (const planner of change.planners) {
    const planned = planner.plan({ ...view, map });
    map = previewSteps({ ...view, map }, planned);
    steps.push(...planned);
  }
  return { before: view.map, after: map, steps };
}

/** The map when all the steps are done. @throws FlareError REFUSED when the index server would refuse one */
export function previewSteps(view: ClusterView, steps: readonly Step[]): NodeMap {
  let map = view.map;
  for (const step of steps) {
    const outcome = applyStep({ ...view, map }, step);
    if (!outcome.ok) throw new FlareError("REFUSED", `"${describeStep(step)}" would be refused: ${outcome.reason}`);
    map = outcome.map;
  }
  return map;
}

/** The nodes that differ between two maps, in the order of their keys. */
export function differences(before: NodeMap, after: NodeMap): NodeDifference[] {
  const keys = [...new Set([...before.nodes, ...after.nodes].map((node) => node.key))].sort();
  return keys
    .map((key) => ({ key, before: findNode(before, key), after: findNode(after, key) }))
    .filter((each) => nodeText(each.before) !== nodeText(each.after));
}

/** A step in the words of the protocol. @example "node role 127.0.0.1 12121 slave 0 0" */
export function describeStep(step: Step): string {
  const { host, port } = addressOf(step.node);
  switch (step.kind) {
    case "clean":
      return step.source === undefined ? `flush_all on ${step.node}` : `flush_all on ${step.node}, unless its copy does that`;
    case "compare":
      return `make sure that ${step.source} has what ${step.node} has`;
    case "role":
      return `node role ${host} ${port} ${roleName(step.role)} ${step.balance} ${step.partition}`;
    case "state":
      return `node state ${host} ${port} ${stateName(step.state)}${step.unsafe === true ? " unsafe" : ""}`;
    case "remove":
      return `node remove ${host} ${port}`;
    case "wait":
      return `wait until ${step.node} is ${step.until}`;
    case "stopped":
      return `make sure that ${step.node} does not run`;
    case "hold":
      return `node handover ${HOLD_MS} on ${step.node}`;
    case "drain":
      return `wait until nothing is queued in ${step.node}`;
  }
}

/** A node's place in a few words. @example "slave active, partition 0, balance 1" */
export function nodeText(node: ClusterNode | undefined): string {
  if (node === undefined) return "-";
  const place = node.partition < 0 ? "" : `, partition ${node.partition}, balance ${node.balance}`;
  return `${roleName(node.role)} ${stateName(node.state)}${place}`;
}

function applyStep({ map, partitionCountMax }: ClusterView, step: Step): Transition {
  switch (step.kind) {
    case "role":
      return setRole(map, step.node, step, partitionCountMax);
    case "state":
      return step.unsafe === true ? acceptAnyData(map, step.node) : setState(map, step.node, step.state);
    case "remove":
      return removeNode(map, step.node);
    case "wait":
      return applyWait(map, step.node, step.until);
    default:
      return unchanged(map);
  }
}

/** What a node does by itself while it is waited for. */
function applyWait(map: NodeMap, key: string, until: Awaited): Transition {
  const node = findNode(map, key);
  if (node === undefined) return refuse("failed to wait", `"${key}" is not in the node map`);
  const done = isReached(node, until);
  if (done) return unchanged(map);
  if (until === Awaited.readyMaster) return setState(map, key, NodeState.ready);
  const outcome = nodeUp(map, key);
  if (!outcome.ok) return outcome;
  const changed = findNode(outcome.map, key);
  if (changed !== undefined && isReached(changed, until)) return outcome;
  return refuse("failed to wait", `"${key}" would become ${nodeText(changed)}`);
}

/** Whether a node is what is waited for. */
export function isReached(node: ClusterNode, until: Awaited): boolean {
  switch (until) {
    case Awaited.activeSlave:
      return node.role === NodeRole.slave && node.state === NodeState.active;
    case Awaited.readyMaster:
      return node.role === NodeRole.master && (node.state === NodeState.ready || node.state === NodeState.active);
    case Awaited.activeProxy:
      return node.role === NodeRole.proxy && node.state === NodeState.active;
  }
}
