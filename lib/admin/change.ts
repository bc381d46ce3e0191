/**
 * An operator's change of the cluster as a plan: its steps, computed from the node map before anything is done, so that it can
 * be shown, refused or executed. Pure; `change_runner.ts` executes it, `change_verbs.ts` has the steps of each verb.
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

/** How long a master holds requests at most, in milliseconds; a switch-over takes a small part of it. */
export const HOLD_MS = 10000;

/** The node states that a change waits for. */
export const Awaited = {
  /** A slave whose copy is complete. */
  activeSlave: "slave, active",
  /** A master whose copy is complete, or that had nothing to copy. */
  readyMaster: "master, ready",
  /** A node that is free for another role. */
  activeProxy: "proxy, active",
} as const;
/** One of `Awaited`. */
export type Awaited = (typeof Awaited)[keyof typeof Awaited];

/** One step; `node` is a key, `host:port`. */
export type Step =
  /**
   * `flush_all` on the node. Before a copy from `source` only if the copy does not do it itself: our own nodes first check
   * whether the source has their data.
   */
  | { readonly kind: "clean"; readonly node: string; readonly source?: string | undefined }
  /** What the node has is not to be trusted: its next copy is a whole one, though it could continue with its own data. */
  | { readonly kind: "distrust"; readonly node: string }
  /** Check that the source has the node's data, by comparing their numbers of items. */
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
      /** Accept whatever data a master has when it joins next. */
      readonly unsafe?: boolean;
    }
  | { readonly kind: "remove"; readonly node: string }
  | { readonly kind: "wait"; readonly node: string; readonly until: Awaited }
  /** Check that the process is stopped: it must not answer. */
  | { readonly kind: "stopped"; readonly node: string }
  /** A master finishes its writes and holds further requests, until the node map names its successor. */
  | { readonly kind: "hold"; readonly node: string }
  /** Wait until the queues of a node that cannot hold requests are empty. */
  | { readonly kind: "drain"; readonly node: string };

/** The input of a plan. */
export interface ClusterView {
  /** The node map as it is. */
  readonly map: NodeMap;
  /** The largest possible number of partitions. */
  readonly partitionCountMax: number;
}

/** Plans the steps for one node. */
export interface Planner {
  /** The key of the node. */
  readonly node: string;
  /** The steps from this state. @throws FlareError REFUSED with the reason */
  plan(view: ClusterView): readonly Step[];
}

/** A verb's change: node by node, each planned when the previous one is done. */
export interface Change {
  /** One for each node, in the order they are carried out. */
  readonly planners: readonly Planner[];
  /** How often one node's part is retried. */
  readonly retries: number;
}

/** What a change would do. */
export interface Preview {
  /** The node map as it is. */
  readonly before: NodeMap;
  /** The node map when all steps are done. */
  readonly after: NodeMap;
  /** What is done, in this order. */
  readonly steps: readonly Step[];
}

/** One node before and after; undefined = not in the map. */
export interface NodeDifference {
  readonly key: string;
  readonly before: ClusterNode | undefined;
  readonly after: ClusterNode | undefined;
}

/** Plans a change without executing it. @throws FlareError REFUSED */
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

/** The map after all steps. @throws FlareError REFUSED if the index server would refuse one */
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

/** A step as text, mostly the protocol line. @example "node role 127.0.0.1 12121 slave 0 0" */
export function describeStep(step: Step): string {
  const { host, port } = addressOf(step.node);
  switch (step.kind) {
    case "clean":
      return step.source === undefined ? `flush_all on ${step.node}` : `flush_all on ${step.node}, unless its copy does that`;
    case "distrust":
      return `node recopy on ${step.node}`;
    case "compare":
      return `check that ${step.source} has the data of ${step.node}`;
    case "role":
      return `node role ${host} ${port} ${roleName(step.role)} ${step.balance} ${step.partition}`;
    case "state":
      return `node state ${host} ${port} ${stateName(step.state)}${step.unsafe === true ? " unsafe" : ""}`;
    case "remove":
      return `node remove ${host} ${port}`;
    case "wait":
      return `wait until ${step.node} is ${step.until}`;
    case "stopped":
      return `check that ${step.node} is stopped`;
    case "hold":
      return `node handover ${HOLD_MS} on ${step.node}`;
    case "drain":
      return `wait until nothing is queued in ${step.node}`;
  }
}

/** A node's role and state in a few words. @example "slave active, partition 0, balance 1" */
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

/** The expected effect of a wait on the map. */
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

/** Whether a node has the awaited state. */
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
