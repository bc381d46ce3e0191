/**
 * Carries out a change step by step against the index server and the nodes, and tells as it goes. Every node's part is
 * planned from the map of that moment, checked as a whole, and begun only when the nodes it touches answer.
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

/** What happens while a change is carried out. */
export type ChangeEvent =
  /** This is done next. */
  | { readonly kind: "step"; readonly step: Step }
  /** The node waited for is here; about once a second. */
  | { readonly kind: "progress"; readonly progress: CopyProgress }
  /** The node waited for is what it should be. */
  | { readonly kind: "reached"; readonly node: ClusterNode }
  /** The part of one node failed and is tried again. */
  | { readonly kind: "retry"; readonly node: string; readonly error: FlareError }
  /** The part of one node is done; undefined = it was removed. */
  | { readonly kind: "done"; readonly key: string; readonly node: ClusterNode | undefined };

/** The cluster, as far as a change needs it; `ClusterAdmin` documents each. */
export interface ChangeHost {
  view(): Promise<ClusterView>;
  nodeMap(): Promise<NodeMap>;
  ping(key: string): Promise<void>;
  answers(key: string): Promise<boolean>;
  clean(key: string): Promise<void>;
  itemsOf(key: string): Promise<number>;
  copying(key: string): Promise<Copying>;
  checksCopies(key: string): Promise<boolean>;
  tellIndex(command: string): Promise<void>;
  hold(key: string, limitMs: number): Promise<void>;
  queueOf(key: string): Promise<number>;
  nowMs(): number;
  sleep(delayMs: number): Promise<void>;
}

/** Whether a node copies now, and which node map it works with, as it says itself. */
export interface Copying {
  readonly isUnderWay: boolean;
  readonly mapVersion: string;
}

/** How far a copy is. */
export interface CopyProgress {
  readonly node: ClusterNode;
  /** Items the node has. */
  readonly items: number;
  /** Items it is likely to have in the end. */
  readonly itemsTotal: number;
  readonly elapsedMs: number;
}

/** How a change is carried out. */
export interface RunOptions {
  /** Pause between two looks at a node that is waited for, in milliseconds; default 250. */
  readonly pollMs?: number;
  /** Pause between two progress reports, in milliseconds; default 1000. */
  readonly reportMs?: number;
  /** So long the index server may be away while something is waited for, in milliseconds; default 60000. */
  readonly patienceMs?: number;
  /** So long a node that is waited for may do nothing towards it, in milliseconds; default 60000. */
  readonly idleMs?: number;
}

const runFields: FieldsOf<RunOptions> = {
  pollMs: integerField(0),
  reportMs: integerField(0),
  patienceMs: integerField(0),
  idleMs: integerField(0),
};

const RETRY_MS = 1000;

/**
 * Carries out a change.
 * @throws FlareError REFUSED | CONNECTION_FAILED | TIMED_OUT; what was done before stays
 */
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
          // Whether it can is known before anything is changed.
          if (step.kind === "hold") await host.hold(step.node, 0);
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

async function* runStep(host: ChangeHost, step: Step, options: RunOptions): AsyncGenerator<ChangeEvent> {
  yield { kind: "step", step };
  switch (step.kind) {
    case "clean":
      return step.source === undefined ? host.clean(step.node) : cleanForCopy(host, step.node, step.source);
    case "compare":
      return requireItems(host, step.node, step.source);
    case "wait":
      return yield* waitFor(host, step.node, step.until, options);
    case "hold":
      return host.hold(step.node, HOLD_MS);
    case "drain":
      return drain(host, step.node, options);
    case "stopped": {
      if (await host.answers(step.node)) throw new FlareError("REFUSED", `"${step.node}" still runs: stop it first`);
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

/** A C++ node keeps what the copy does not have, and nothing asks whether its master has anything. */
async function cleanForCopy(host: ChangeHost, node: string, source: string): Promise<void> {
  if (await host.checksCopies(node)) return;
  await requireItems(host, node, source);
  await host.clean(node);
}

async function requireItems(host: ChangeHost, node: string, source: string): Promise<void> {
  const [items, sourceItems] = [await host.itemsOf(node), await host.itemsOf(source)];
  if (2 * sourceItems >= items) return;
  const text = `"${source}" has ${sourceItems} items, "${node}" has ${items}: a copy would destroy what is there`;
  throw new FlareError("REFUSED", `${text}; to give it up: --unsafe`);
}

async function* waitFor(host: ChangeHost, key: string, until: Awaited, options: RunOptions): AsyncGenerator<ChangeEvent> {
  const { pollMs = 250, reportMs = 1000, patienceMs = 60000, idleMs = 60000 } = options;
  const startedMs = host.nowMs();
  let heardMs = startedMs;
  let reportedMs = startedMs;
  /** When it was last known to do something, and what it does instead. */
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

/** Why a node gets no nearer to what is waited for; undefined: it is at work. */
async function idleText(host: ChangeHost, map: NodeMap, node: ClusterNode, until: Awaited): Promise<string | undefined> {
  if (until === Awaited.activeProxy) return "the index server has had no answer to a ping from it; look whether it runs";
  try {
    const { isUnderWay, mapVersion } = await host.copying(node.key);
    if (isUnderWay) return undefined;
    const maps = `node map ${mapVersion} where the index server has ${map.version}`;
    return `it copies nothing, and works with ${maps}; its log tells more`;
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return `it does not answer (${error.message})`;
  }
}

function requireNode(map: NodeMap, key: string): ClusterNode {
  const node = findNode(map, key);
  if (node === undefined) throw new FlareError("REFUSED", `"${key}" was removed from the node map meanwhile`);
  return node;
}

/** A node that waits for its turn is still down or copies; another role means that it gave up. */
function requireOnItsWay(node: ClusterNode, until: Awaited): void {
  const onItsWay =
    until === Awaited.activeProxy
      ? node.role === NodeRole.proxy
      : node.state !== NodeState.down && node.role === (until === Awaited.activeSlave ? NodeRole.slave : NodeRole.master);
  if (!onItsWay) throw new FlareError("REFUSED", `"${node.key}" is ${nodeText(node)} instead of ${until}: its log tells why`);
}

/** Undefined when one of the nodes does not answer: the copy goes on all the same. */
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
    // A new partition gets its share of everybody's keys.
    if (node.role === NodeRole.master) itemsTotal = Math.round(itemsTotal / (sources.length + 1));
    return { items, itemsTotal };
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return undefined;
  }
}
