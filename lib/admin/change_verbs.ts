/**
 * The operator's verbs that change the cluster, as plans: the steps for each node, their order, and the refusals that prevent
 * data loss. Pure; `change.ts` shows a plan, `change_runner.ts` executes it.
 */

import { FlareError } from "../base/errors.ts";
import { booleanField, checkFields, type FieldsOf, integerField } from "../base/given_fields.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode, type NodeMap, nodeDown } from "../cluster/node_map.ts";
import { Awaited, type Change, nodeText, type Planner, type Step } from "./change.ts";
import { type BalanceTarget, checkTargets, type RoleTarget } from "./node_targets.ts";

/** Options for a node that joins a partition. */
export interface JoinOptions {
  /** Empty the node first, default true: otherwise its old items could come back. */
  readonly clean?: boolean;
  /** How often one node's part is retried, default 0. */
  readonly retries?: number;
}

/** Options for a node that becomes master. */
export interface MasterOptions extends JoinOptions {
  /** Activate it once it has copied its keys, default false. */
  readonly activate?: boolean;
  /** Allow replacing a master that is down with an empty one, default false: the old master's data is then lost. */
  readonly unsafe?: boolean;
}

/** Options for a node that becomes a slave. */
export interface SlaveOptions extends JoinOptions {
  /** Allow copying from a master that has less data than the node, default false: the node's data is then lost. */
  readonly unsafe?: boolean;
}

/** Options for nodes that return to service. */
export interface ActivateOptions {
  /**
   * Accept a master that has lost its data, default false: whatever it has when it joins next is accepted as the data of its
   * partition. Only our own index servers understand it.
   */
  readonly unsafe?: boolean;
}

/** Options for nodes that are rebuilt. */
export interface ReconstructOptions extends JoinOptions {
  /**
   * Do not require another active copy with the node's data, default false. Without any source to copy from nothing is done.
   */
  readonly unsafe?: boolean;
}

/** Options for nodes that are removed. */
export interface RemoveOptions {
  /** How often one node's part is retried, default 0. */
  readonly retries?: number;
}

/** Options for promoting a slave. */
export interface PromoteOptions extends JoinOptions {
  /** The former master becomes a slave with a fresh copy, default true; else it stays a proxy. */
  readonly keepFormer?: boolean;
  /** Do not require a master that can hold requests, default false: writes during the switch may be lost. */
  readonly unsafe?: boolean;
}

const joinFields: FieldsOf<JoinOptions> = { clean: booleanField, retries: integerField(0) };
const removeFields: FieldsOf<RemoveOptions> = { retries: integerField(0) };
const slaveFields: FieldsOf<SlaveOptions> = { ...joinFields, unsafe: booleanField };
const masterFields: FieldsOf<MasterOptions> = { ...joinFields, activate: booleanField, unsafe: booleanField };
const promoteFields: FieldsOf<PromoteOptions> = { ...joinFields, keepFormer: booleanField, unsafe: booleanField };
const activateFields: FieldsOf<ActivateOptions> = { unsafe: booleanField };
const reconstructFields: FieldsOf<ReconstructOptions> = { ...joinFields, unsafe: booleanField };

/**
 * `promote`: each node, an active slave, replaces its partition's master.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, NodeRole, promoteChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ slaves: 1 });
 * const [, slave] = cluster.nodes.map(({ key }) => key);
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const { after } = await admin.preview(promoteChange([slave]));
 * console.log(after.nodes.find((node) => node.role === NodeRole.master).key === slave); // true
 * ```
 */
export function promoteChange(nodes: readonly string[], options: PromoteOptions = {}): Change {
  checkTargets("node", nodes);
  checkFields(promoteFields, options);
  return {
    planners: nodes.map((node) => planner(node, (entry, map) => promoteSteps(entry, map, options))),
    retries: 0,
  };
}

/**
 * `master`: each node becomes master of a new partition.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, masterChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * const { key } = await cluster.addNode();
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const change = masterChange([{ node: key, balance: 1, partition: 1 }], { activate: true });
 * const { after } = await admin.preview(change);
 * console.log(after.nodes.find((node) => node.key === key).partition); // 1
 * ```
 */
export function masterChange(targets: readonly RoleTarget[], options: MasterOptions = {}): Change {
  checkTargets("role", targets);
  checkFields(masterFields, options);
  return { planners: targets.map((target) => masterPlanner(target, options)), retries: options.retries ?? 0 };
}

/**
 * `slave`: each node becomes a slave, copies the partition and then gets its balance.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, slaveChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * const { key } = await cluster.addNode();
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const change = slaveChange([{ node: key, balance: 1, partition: 0 }]);
 * for await (const { kind } of admin.carryOut(change)) if (kind === "done") console.log("it serves reads"); // it serves reads
 * ```
 */
export function slaveChange(targets: readonly RoleTarget[], options: SlaveOptions = {}): Change {
  checkTargets("role", targets);
  checkFields(slaveFields, options);
  return { planners: targets.map((target) => slavePlanner(target, options)), retries: options.retries ?? 0 };
}

/**
 * `part`: a new partition, the first node its master, the others its slaves.
 * @throws FlareError INVALID_OPTION if the nodes are for different partitions
 * @example
 * ```ts
 * import { ClusterAdmin, partChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * const nodes = [await cluster.addNode(), await cluster.addNode()];
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const change = partChange(nodes.map(({ key }) => ({ node: key, balance: 1, partition: 1 })));
 * const { after } = await admin.preview(change);
 * console.log(after.nodes.filter(({ partition }) => partition === 1).length); // 2
 * ```
 */
export function partChange(targets: readonly RoleTarget[], options: JoinOptions = {}): Change {
  checkTargets("role", targets);
  checkFields(joinFields, options);
  const [master, ...slaves] = targets;
  if (master === undefined) throw new FlareError("INVALID_OPTION", "a partition needs at least one node");
  const other = slaves.find((slave) => slave.partition !== master.partition);
  if (other !== undefined) {
    const text = `"${other.node}" is for partition ${other.partition}, not for the new partition ${master.partition}`;
    throw new FlareError("INVALID_OPTION", text);
  }
  const planners = [
    masterPlanner(master, { ...options, activate: true }),
    ...slaves.map((slave) => slavePlanner(slave, options)),
  ];
  return { planners, retries: options.retries ?? 0 };
}

/**
 * `balance`: sets each node's weight for reads.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, balanceChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ slaves: 1 });
 * const [, slave] = cluster.nodes.map(({ key }) => key);
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const { after } = await admin.preview(balanceChange([{ node: slave, balance: 4 }]));
 * console.log(after.nodes.find(({ key }) => key === slave).balance); // 4
 * ```
 */
export function balanceChange(targets: readonly BalanceTarget[]): Change {
  checkTargets("balance", targets);
  return {
    planners: targets.map(({ node, balance }) =>
      planner(node, ({ role, partition }) => {
        if (role === NodeRole.proxy) throw refusal(`"${node}" is a proxy and has no balance`);
        return [{ kind: "role", node, role, balance, partition }];
      }),
    ),
    retries: 0,
  };
}

/**
 * `down`: takes each node out of service; a master's slave is promoted.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, NodeRole, downChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ slaves: 1 });
 * const [master, slave] = cluster.nodes.map(({ key }) => key);
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const { after } = await admin.preview(downChange([master]));
 * console.log(after.nodes.find((node) => node.role === NodeRole.master).key === slave); // true
 * ```
 */
export function downChange(nodes: readonly string[]): Change {
  checkTargets("node", nodes);
  return { planners: nodes.map((node) => planner(node, () => [stateStep(node, NodeState.down)])), retries: 0 };
}

/**
 * `activate`: returns each node to service; a ready master takes over its keys.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, NodeState, activateChange, downChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ slaves: 1 });
 * const [, slave] = cluster.nodes.map(({ key }) => key);
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * for await (const event of admin.carryOut(downChange([slave])));
 * for await (const event of admin.carryOut(activateChange([slave])));
 * console.log((await admin.nodeMap()).nodes.every(({ state }) => state === NodeState.active)); // true
 * ```
 */
export function activateChange(nodes: readonly string[], options: ActivateOptions = {}): Change {
  checkTargets("node", nodes);
  checkFields(activateFields, options);
  const unsafe = options.unsafe === true ? { unsafe: true } : {};
  return {
    planners: nodes.map((node) => planner(node, () => [{ ...stateStep(node, NodeState.active), ...unsafe }])),
    retries: 0,
  };
}

/**
 * `reconstruct`: each node leaves its partition and returns as a slave with a fresh copy; a master hands over first.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, reconstructChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ slaves: 1 });
 * const [, slave] = cluster.nodes.map(({ key }) => key);
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * const change = reconstructChange([slave]);
 * for await (const { kind } of admin.carryOut(change)) if (kind === "done") console.log("copied"); // copied
 * ```
 */
export function reconstructChange(nodes: readonly string[], options: ReconstructOptions = {}): Change {
  checkTargets("node", nodes);
  checkFields(reconstructFields, options);
  return {
    planners: nodes.map((node) => {
      let place: ClusterNode | undefined;
      return planner(node, (entry, map) => {
        const isFree = entry.role === NodeRole.proxy && entry.state === NodeState.active;
        // A failed attempt has left it without its role.
        if (isFree && place !== undefined) {
          const source = masterOf(map, place.partition)?.key;
          return copySteps(node, place.balance, place.partition, source, options);
        }
        const steps = reconstructSteps(entry, map, options);
        place = entry;
        return steps;
      });
    }),
    retries: options.retries ?? 0,
  };
}

/** The nodes of `reconstruct --all`: every partition's slaves, then its master. */
export function reconstructible(map: NodeMap): string[] {
  const members = map.nodes.filter((node) => node.role !== NodeRole.proxy && node.state !== NodeState.down);
  return [...members].sort((left, right) => left.partition - right.partition || right.role - left.role).map((node) => node.key);
}

/**
 * `remove`: removes each node, which must be down and stopped, from the node map.
 *
 * @example
 * ```ts
 * import { ClusterAdmin, removeChange, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster();
 * const node = await cluster.addNode();
 * await node.stop();
 * using admin = new ClusterAdmin({ indexServer: cluster.indexAddress });
 * console.log((await admin.preview(removeChange([node.key]))).after.nodes.length); // 1
 * ```
 */
export function removeChange(nodes: readonly string[], options: RemoveOptions = {}): Change {
  checkTargets("node", nodes);
  checkFields(removeFields, options);
  return {
    planners: nodes.map((node) =>
      planner(node, (entry) => {
        if (entry.state !== NodeState.down) throw refusal(`"${node}" is ${nodeText(entry)}: stop it and wait until it is down`);
        return [
          { kind: "stopped", node },
          { kind: "remove", node },
        ];
      }),
    ),
    retries: options.retries ?? 0,
  };
}

function masterPlanner({ node, balance, partition }: RoleTarget, options: MasterOptions): Planner {
  return planner(node, (entry, map) => {
    requireProxy(entry, "master");
    const lost = map.nodes.find((other) => other.role === NodeRole.master && other.partition === partition);
    if (lost !== undefined && lost.state !== NodeState.down)
      throw refusal(`partition ${partition} has the master "${lost.key}"`);
    if (lost !== undefined && options.unsafe !== true) {
      throw refusal(
        `partition ${partition} is waiting for its master "${lost.key}": a new one would be empty and lose the old one's data`,
      );
    }
    return [
      ...cleanSteps(node, options),
      { kind: "role", node, role: NodeRole.master, balance, partition },
      { kind: "wait", node, until: Awaited.readyMaster },
      ...(options.activate === true ? [stateStep(node, NodeState.active)] : []),
    ];
  });
}

function slavePlanner({ node, balance, partition }: RoleTarget, options: SlaveOptions): Planner {
  return planner(node, (entry, map) => {
    requireProxy(entry, "slave");
    return copySteps(node, balance, partition, masterOf(map, partition)?.key, options);
  });
}

function reconstructSteps(entry: ClusterNode, map: NodeMap, options: ReconstructOptions): Step[] {
  const { key, role, state, balance, partition } = entry;
  if (role === NodeRole.proxy || state === NodeState.down)
    throw refusal(`"${key}" is ${nodeText(entry)}: there is nothing to rebuild`);
  const others = map.nodes.filter((node) => node !== entry && node.partition === partition && node.state === NodeState.active);
  if (others.length === 0 && options.unsafe !== true) {
    throw refusal(`"${key}" has the only active copy of partition ${partition}`);
  }
  const outcome = nodeDown(map, key);
  const master = (outcome.ok ? outcome.map : map).nodes.find(
    (node) => node.role === NodeRole.master && node.partition === partition && node.key !== key,
  );
  return [
    ...(master === undefined || options.unsafe === true ? [] : [{ kind: "compare", node: key, source: master.key } as const]),
    stateStep(key, NodeState.down),
    { kind: "wait", node: key, until: Awaited.activeProxy },
    ...(options.unsafe === true ? [] : [{ kind: "distrust", node: key } as const]),
    ...copySteps(key, balance, partition, master?.key, options),
  ];
}

/**
 * The index server chooses the slave with the largest balance, so this one gets it temporarily. Until the switch only the
 * master accepts writes, and it holds them.
 */
function promoteSteps(entry: ClusterNode, map: NodeMap, options: PromoteOptions): Step[] {
  const { key, role, state, balance, partition } = entry;
  if (role !== NodeRole.slave || state !== NodeState.active) {
    throw refusal(`"${key}" is ${nodeText(entry)}: only an active slave can be promoted`);
  }
  const master = map.nodes.find((node) => node.role === NodeRole.master && node.partition === partition);
  if (master?.state !== NodeState.active) {
    throw refusal(`partition ${partition} has no active master that "${key}" could replace`);
  }
  const failover = nodeDown(map, master.key);
  const isNext = failover.ok && findNode(failover.map, key)?.role === NodeRole.master;
  const others = map.nodes.filter((node) => node.partition === partition && node.role === NodeRole.slave);
  const largest = others.reduce((maximum, node) => Math.max(maximum, node.balance), 0);
  const place = { kind: "role", node: key, partition } as const;
  return [
    ...(isNext ? [] : [{ ...place, role: NodeRole.slave, balance: largest + 1 } as const]),
    { kind: options.unsafe === true ? "drain" : "hold", node: master.key },
    stateStep(master.key, NodeState.down),
    stateStep(master.key, NodeState.active),
    ...(isNext ? [] : [{ ...place, role: NodeRole.master, balance: Math.max(1, balance) } as const]),
    ...(options.keepFormer === false
      ? []
      : copySteps(master.key, master.balance, partition, key, { ...options, unsafe: false })),
  ];
}

function masterOf(map: NodeMap, partition: number): ClusterNode | undefined {
  return map.nodes.find((node) => node.role === NodeRole.master && node.partition === partition);
}

/** It serves no reads (balance 0) until it has everything. */
function copySteps(
  node: string,
  balance: number,
  partition: number,
  source: string | undefined,
  options: SlaveOptions,
): Step[] {
  const role = NodeRole.slave;
  return [
    ...cleanSteps(node, options, options.unsafe === true ? undefined : source),
    { kind: "role", node, role, balance: 0, partition },
    { kind: "wait", node, until: Awaited.activeSlave },
    ...(balance === 0 ? [] : [{ kind: "role", node, role, balance, partition } as const]),
  ];
}

/** @param source where it copies from; undefined: always empty it */
function cleanSteps(node: string, { clean = true }: JoinOptions, source?: string): Step[] {
  return clean ? [{ kind: "clean", node, ...(source === undefined ? {} : { source }) }] : [];
}

function stateStep(node: string, state: NodeState): Extract<Step, { kind: "state" }> {
  return { kind: "state", node, state };
}

function planner(node: string, steps: (entry: ClusterNode, map: NodeMap) => readonly Step[]): Planner {
  return {
    node,
    plan({ map }) {
      const entry = findNode(map, node);
      if (entry === undefined) throw refusal(`"${node}" is not in the node map`);
      return steps(entry, map);
    },
  };
}

function requireProxy(entry: ClusterNode, wanted: string): void {
  if (entry.role === NodeRole.proxy && entry.state === NodeState.active) return;
  // After a start it serves before the index server has seen it.
  const isAway = entry.role === NodeRole.proxy && entry.state === NodeState.down;
  const advice = isAway ? "; if it is running, the index server sees it within its monitor-interval: try again then" : "";
  throw refusal(`"${entry.key}" is ${nodeText(entry)}: only an active proxy can become ${wanted}${advice}`);
}

function refusal(text: string): FlareError {
  return new FlareError("REFUSED", text);
}
