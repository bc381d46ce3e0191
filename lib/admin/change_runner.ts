/**
 * Executes a change step by step against the index server and the nodes, and reports events. Every node's part is planned from
 * the current map, checked as a whole, and started only if the nodes involved answer.
 */

import { FlareError } from "../base/errors.ts";
import { checkFields, type FieldsOf, integerField } from "../base/given_fields.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap } from "../cluster/node_map.ts";
import {
  Awaited,
  type Change,
  type ClusterView,
  describeStep,
  HOLD_MS,
  isReached,
  nodeText,
  previewSteps,
  type Step,
} from "./change.ts";
import { isUnreachable } from "./unreachable.ts";

/** The events of a running change. */
export type ChangeEvent =
  /** The next step. */
  | { readonly kind: "step"; readonly step: Step }
  /** The progress of the awaited node; about once a second. */
  | { readonly kind: "progress"; readonly progress: CopyProgress }
  /** The node has the awaited state. */
  | { readonly kind: "reached"; readonly node: ClusterNode }
  /** One node's part failed and is retried. */
  | { readonly kind: "retry"; readonly node: string; readonly error: FlareError }
  /** One node's part is done; undefined = it was removed. */
  | { readonly kind: "done"; readonly key: string; readonly node: ClusterNode | undefined };

/** What a change needs from the cluster. */
export interface ChangeHost {
  /** The input of plans. */
  view(): Promise<ClusterView>;
  /** The index server's node map. */
  nodeMap(): Promise<NodeMap>;
  /** Pings any server. */
  ping(key: string): Promise<void>;
  /** Whether a server listens there, healthy or not. */
  answers(key: string): Promise<boolean>;
  /** Deletes all items of this one node. */
  clean(key: string): Promise<void>;
  /** Makes the next copy of a node a whole one; nothing happens at nodes that make no others. */
  distrust(key: string): Promise<void>;
  /** The number of items of a node. */
  itemsOf(key: string): Promise<number>;
  /** Whether a node is copying, by its threads, and its version of the node map. */
  copying(key: string): Promise<Copying>;
  /** Whether a node checks its master's data before it drops its own for a copy; C++ nodes do not. */
  checksCopies(key: string): Promise<boolean>;
  /** Sends the index server a command whose answer is OK. @throws FlareError REFUSED */
  tellIndex(command: string): Promise<void>;
  /**
   * Makes a master finish its writes and hold further requests, for at most `limitMs` or until a slave has replaced it; 0 ends
   * that.
   * @throws FlareError REFUSED with its reason
   */
  hold(key: string, limitMs: number): Promise<void>;
  /** Requests queued in a node, including those for its replicas. */
  queueOf(key: string): Promise<number>;
  /** The monotonic clock, in milliseconds. */
  nowMs(): number;
  /** Waits. There may be no open connection meanwhile, so the timer keeps the process alive. */
  sleep(delayMs: number): Promise<void>;
}

/** Whether a node is copying, and its version of the node map, as it reports. */
export interface Copying {
  /** A copy is under way. */
  readonly isUnderWay: boolean;
  /** Version of the node map the node works with, `?` when it does not say. */
  readonly mapVersion: string;
}

/** The progress of a copy. */
export interface CopyProgress {
  /** The node that copies, as the node map has it. */
  readonly node: ClusterNode;
  /** Items the node has. */
  readonly items: number;
  /** Estimated items at the end. */
  readonly itemsTotal: number;
  /** Milliseconds since the copy was asked for. */
  readonly elapsedMs: number;
}

/** How to execute a change. */
export interface RunOptions {
  /** Poll interval for an awaited node, in milliseconds; default 250. */
  readonly pollMs?: number;
  /** Interval of progress reports, in milliseconds; default 1000. */
  readonly reportMs?: number;
  /** How long the index server may be unreachable during a wait, in milliseconds; default 60000. */
  readonly patienceMs?: number;
  /** How long an awaited node may make no progress, in milliseconds; default 60000. */
  readonly idleMs?: number;
}

const runFields: FieldsOf<RunOptions> = {
  pollMs: integerField(0),
  reportMs: integerField(0),
  patienceMs: integerField(0),
  idleMs: integerField(0),
};

const RETRY_MS = 1000;

/** Executes a change. @throws FlareError REFUSED | CONNECTION_FAILED | TIMED_OUT; completed steps are not undone */
export async function* runChange(host: ChangeHost, change: Change, options: RunOptions = {}): AsyncGenerator<ChangeEvent> {
  checkFields(runFields, options);
  for (const { node, plan } of change.planners) {
    for (let attempt = 0; ; attempt++) {
      try {
        const view = await host.view();
        const steps = plan(view);
        previewSteps(view, steps);
        for (const step of steps) {
          if (step.kind === "clean") await host.ping(step.node);
          // Checked before anything is changed.
          if (step.kind === "hold") await host.hold(step.node, 0);
          if (activates(step) && !(await host.answers(step.node)))
            throw new FlareError("REFUSED", `"${step.node}" does not answer: start it first`);
        }
        for (const step of steps) yield* runStep(host, step, options);
        break;
      } catch (error) {
        if (!(error instanceof FlareError) || attempt >= change.retries) throw error;
        yield { kind: "retry", node, error };
        await host.sleep(RETRY_MS);
      }
    }
    yield { kind: "done", key: node, node: findNode(await host.nodeMap(), node) };
  }
}

/** Whether the node map says from this step on that the node serves. */
function activates(step: Step): boolean {
  return step.kind === "state" && step.state === NodeState.active && step.unsafe !== true;
}

async function* runStep(host: ChangeHost, step: Step, options: RunOptions): AsyncGenerator<ChangeEvent> {
  yield { kind: "step", step };
  switch (step.kind) {
    case "clean":
      return step.source === undefined ? host.clean(step.node) : cleanForCopy(host, step.node, step.source);
    case "distrust":
      return host.distrust(step.node);
    case "compare":
      return requireItems(host, step.node, step.source);
    case "wait":
      return yield* waitFor(host, step.node, step.until, options);
    case "hold":
      return host.hold(step.node, HOLD_MS);
    case "drain":
      return drain(host, step.node, options);
    case "stopped": {
      if (await host.answers(step.node)) throw new FlareError("REFUSED", `"${step.node}" is still running: stop it first`);
      return;
    }
    default:
      return host.tellIndex(describeStep(step));
  }
}

/** @throws FlareError TIMED_OUT */
async function drain(host: ChangeHost, key: string, { pollMs = 250 }: RunOptions): Promise<void> {
  const startedMs = host.nowMs();
  for (;;) {
    const queued = await host.queueOf(key);
    if (queued === 0) return;
    if (host.nowMs() - startedMs > HOLD_MS) throw new FlareError("TIMED_OUT", `"${key}" still has ${queued} requests queued`);
    await host.sleep(pollMs);
  }
}

/** A C++ node keeps items that the copy does not have, and does not check whether its master has any data. */
async function cleanForCopy(host: ChangeHost, node: string, source: string): Promise<void> {
  if (await host.checksCopies(node)) return;
  await requireItems(host, node, source);
  await host.clean(node);
}

async function requireItems(host: ChangeHost, node: string, source: string): Promise<void> {
  const [items, sourceItems] = [await host.itemsOf(node), await host.itemsOf(source)];
  if (2 * sourceItems >= items) return;
  const text = `"${source}" has ${sourceItems} items, "${node}" has ${items}: a copy would destroy that data`;
  throw new FlareError("REFUSED", `${text}; to discard it: --unsafe`);
}

async function* waitFor(host: ChangeHost, key: string, until: Awaited, options: RunOptions): AsyncGenerator<ChangeEvent> {
  const { pollMs = 250, reportMs = 1000, patienceMs = 60000, idleMs = 60000 } = options;
  const startedMs = host.nowMs();
  let heardMs = startedMs;
  let reportedMs = startedMs;
  /** When it last made progress, and what it does instead. */
  let busyMs = startedMs;
  let idle: string | undefined;
  for (;;) {
    try {
      const map = await host.nodeMap();
      heardMs = host.nowMs();
      const node = requireNode(map, key);
      if (isReached(node, until)) return yield { kind: "reached", node };
      requireOnItsWay(node, until);
      if (heardMs - busyMs >= idleMs / 2) {
        idle = await idleText(host, map, node, until);
        if (idle === undefined) busyMs = heardMs;
        else idle = `"${key}" is ${nodeText(node)} after ${Math.round(idleMs / 1000)} s: ${idle}`;
      }
      if (until !== Awaited.activeProxy && heardMs - reportedMs >= reportMs) {
        reportedMs = heardMs;
        const figures = await copyFigures(host, map, node);
        if (figures !== undefined) yield { kind: "progress", progress: { node, ...figures, elapsedMs: heardMs - startedMs } };
      }
    } catch (error) {
      if (!isUnreachable(error) || host.nowMs() - heardMs > patienceMs) throw error;
    }
    if (idle !== undefined && heardMs - busyMs >= idleMs) throw new FlareError("TIMED_OUT", idle);
    await host.sleep(pollMs);
  }
}

/** Why a node makes no progress; undefined: it does. */
async function idleText(host: ChangeHost, map: NodeMap, node: ClusterNode, until: Awaited): Promise<string | undefined> {
  if (until === Awaited.activeProxy) return "it has not answered a ping of the index server; check whether it is running";
  try {
    const { isUnderWay, mapVersion } = await host.copying(node.key);
    if (isUnderWay) return undefined;
    const maps = `node map ${mapVersion} where the index server has ${map.version}`;
    return `it is not copying, and has ${maps}; see its log`;
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return `it does not answer (${error.message})`;
  }
}

function requireNode(map: NodeMap, key: string): ClusterNode {
  const node = findNode(map, key);
  if (node === undefined) throw new FlareError("REFUSED", `"${key}" was removed from the node map in the meantime`);
  return node;
}

/** An awaited node is still down or copying; another role means that it gave up. */
function requireOnItsWay(node: ClusterNode, until: Awaited): void {
  const onItsWay =
    until === Awaited.activeProxy
      ? node.role === NodeRole.proxy
      : node.state !== NodeState.down && node.role === (until === Awaited.activeSlave ? NodeRole.slave : NodeRole.master);
  if (!onItsWay) throw new FlareError("REFUSED", `"${node.key}" is ${nodeText(node)} instead of ${until}: see its log`);
}

/** Undefined if one of the nodes does not answer: the copy continues anyway. */
async function copyFigures(
  host: ChangeHost,
  map: NodeMap,
  node: ClusterNode,
): Promise<{ items: number; itemsTotal: number } | undefined> {
  const masters = map.nodes.filter(
    (other) => other.role === NodeRole.master && other !== node && other.state !== NodeState.down,
  );
  const sources = node.role === NodeRole.master ? masters : masters.filter((other) => other.partition === node.partition);
  try {
    const items = await host.itemsOf(node.key);
    let itemsTotal = 0;
    for (const source of sources) itemsTotal += await host.itemsOf(source.key);
    // A new partition gets its share of all keys.
    if (node.role === NodeRole.master) itemsTotal = Math.round(itemsTotal / (sources.length + 1));
    return { items, itemsTotal };
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return undefined;
  }
}
