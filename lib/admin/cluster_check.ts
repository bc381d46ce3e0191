/**
 * The health check of a cluster: from the servers' statistics to findings, each with the problem and what to do. Pure;
 * `cluster_look.ts` queries the servers.
 */

import type { Uint64 } from "../base/uint64.ts";
import { type ClusterNode, NodeRole, NodeState, stateName } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { type IndexReport, NOBODY } from "./index_report.ts";
import { parseFigures } from "./node_report.ts";

/** Severities, worst first: keys are out of reach; it works but needs attention; worth knowing, nothing is wrong. */
export const Severity = { broken: "broken", degraded: "degraded", note: "note" } as const;
export type Severity = (typeof Severity)[keyof typeof Severity];

/** One finding. */
export interface Finding {
  readonly severity: Severity;
  /** The subject: a node or the index server by its `host:port`, or `partition 0`. */
  readonly about: string;
  readonly problem: string;
  readonly advice: string;
}

/** What was observed of one node. */
export interface SeenNode {
  readonly node: ClusterNode;
  /** Why it did not answer; undefined if it did. */
  readonly silence?: string;
  /** Its answer to `ping`, if that was not OK. */
  readonly illness?: string;
  /** `stats`, `stats threads` and `stats replication`; empty if it has none. */
  readonly general: ReadonlyMap<string, string>;
  readonly threads: ReadonlyMap<string, string>;
  readonly replication: ReadonlyMap<string, string>;
}

/** What was observed of a cluster. */
export interface SeenCluster {
  /** `host:port` of the index server whose map this is. */
  readonly index: string;
  /** All index servers that were asked. */
  readonly indexServers: readonly IndexReport[];
  readonly map: NodeMap;
  readonly nodes: readonly SeenNode[];
}

/** A queue whose oldest entry is older is not keeping up. */
const BEHIND_SECONDS_MAX = 10;
/** Writes in flight and expired items that are not swept yet make copies differ slightly. */
const ITEMS_DIFFER_MIN = 100;
const ITEMS_DIFFER_PART = 0.05;
const CONNECTIONS_PART = 0.9;

/** All findings, worst first. */
export function checkCluster(seen: SeenCluster): Finding[] {
  const findings = [
    ...indexFindings(seen),
    ...partitionFindings(seen),
    ...seen.nodes.flatMap((node) => nodeFindings(node, seen)),
    ...copyFindings(seen),
    ...versionFindings(seen),
  ];
  const order = Object.values(Severity);
  return findings.sort((left, right) => order.indexOf(left.severity) - order.indexOf(right.severity));
}

/** The finding for an index server that does not answer. */
export function indexSilent(index: string, reason: string): Finding {
  return {
    severity: Severity.broken,
    about: index,
    problem: `the index server does not answer: ${reason}`,
    advice: "start it, or give the right one with --index-server; without it nodes keep serving, but there is no failover",
  };
}

/** The worst severity as the overall state; `healthy` if there are only notes. */
export function overallState(findings: readonly Finding[]): "healthy" | "degraded" | "broken" {
  const has = (severity: Severity): boolean => findings.some((finding) => finding.severity === severity);
  return has(Severity.broken) ? "broken" : has(Severity.degraded) ? "degraded" : "healthy";
}

function indexFindings({ indexServers }: SeenCluster): Finding[] {
  const { broken, degraded } = Severity;
  // The others go on without one of several.
  const severity = indexServers.length > 1 ? degraded : broken;
  const findings: Finding[] = [];
  for (const { server: about, silence, replacedBy, failingSeconds, moved } of indexServers) {
    if (silence !== undefined) {
      const advice = "start it; until then the other index servers do without it";
      findings.push({ severity, about, problem: `the index server does not answer: ${silence}`, advice });
    }
    if (moved !== undefined) {
      const advice = moved.startsWith("gone to ")
        ? "restart it with that index-db, if the map has arrived there: flare index move says so when it is run again"
        : "run flare index move again";
      findings.push({ severity, about, problem: `its node map is ${moved}: it changes nothing`, advice });
    }
    if (replacedBy !== 0) {
      findings.push({
        severity,
        about,
        problem: `another index server has taken over its node map, with term ${replacedBy}: this one changes nothing`,
        advice: "give the other one with --index-server; if it should not run, stop it and start this one again",
      });
    }
    if (failingSeconds !== 0) {
      const isAlone = indexServers.every((other) => other.leads !== true || other.server === about);
      const effect = isAlone ? "there is no failover" : "it cannot lead";
      findings.push({
        severity: isAlone ? broken : degraded,
        about,
        problem: `its stored node map has been out of reach for ${failingSeconds} s: ${effect}`,
        advice: "its log says why; see to what index-db names, an etcd, a ZooKeeper or a disk",
      });
    }
  }
  return [...findings, ...leaderFindings(indexServers)];
}

/** Who leads, by the index servers that can reach their map and say it. */
function leaderFindings(indexServers: readonly IndexReport[]): Finding[] {
  const asked = indexServers.filter(
    ({ leader, failingSeconds, replacedBy, moved }) =>
      leader !== undefined && failingSeconds + replacedBy === 0 && moved === undefined,
  );
  const leaders = [...new Set(asked.map(({ leader }) => leader as string).filter((leader) => leader !== NOBODY))];
  const about = asked.map(({ server }) => server).join(", ");
  if (asked.length > 0 && leaders.length === 0) {
    const advice = "check again after leader-lease; their logs say why none is elected";
    return [{ severity: Severity.broken, about, problem: "no index server leads: there is no failover", advice }];
  }
  if (leaders.length < 2) return [];
  const problem = `the index servers name several leaders: ${leaders.join(", ")}`;
  return [
    { severity: Severity.degraded, about, problem, advice: "check again; if it stays so, give all of them the same index-db" },
  ];
}

function partitionFindings({ index, map }: SeenCluster): Finding[] {
  const { broken, degraded } = Severity;
  if (map.nodes.length === 0) {
    const advice = `start nodes with --index-servers ${index}; if it had nodes, its map is lost: flare index rebuilds it`;
    return [{ severity: broken, about: index, problem: "the index server has no nodes", advice }];
  }
  const numbers = [...new Set(map.nodes.map(({ partition }) => partition).filter((number) => number >= 0))].sort(
    (a, b) => a - b,
  );
  if (numbers.length === 0) {
    const advice = `create one: flare part ${map.nodes[0]?.key}:1:0`;
    return [{ severity: broken, about: index, problem: "the cluster has no partition", advice }];
  }
  return numbers.flatMap((number): Finding[] => {
    const about = `partition ${number}`;
    const members = map.nodes.filter(({ partition }) => partition === number);
    const master = members.find(({ role }) => role === NodeRole.master);
    if (master === undefined || master.state === NodeState.down) {
      const problem = master === undefined ? "it has no master" : `its master ${master.key} is down`;
      const advice =
        master === undefined
          ? `make a node its master: flare master HOST:PORT:1:${number}`
          : `start ${master.key}, it has the keys; only if they are lost for good: flare master --unsafe HOST:PORT:1:${number}`;
      return [{ severity: broken, about, problem: `${problem}: its keys are out of reach`, advice }];
    }
    if (master.state !== NodeState.active) return [preparing(about, master)];
    const slaves = members.filter(({ role, state }) => role === NodeRole.slave && state === NodeState.active);
    if (slaves.length > 0) return [];
    const copying = members.find(({ role }) => role === NodeRole.slave);
    const proxy = map.nodes.find(({ role, state }) => role === NodeRole.proxy && state === NodeState.active);
    const advice =
      copying === undefined
        ? `flare slave ${proxy?.key ?? "HOST:PORT"}:1:${number}${proxy === undefined ? ", with a further node" : ""}`
        : `wait until ${copying.key} has its copy`;
    return [{ severity: degraded, about, problem: `${master.key} has the only copy of its keys`, advice }];
  });
}

function preparing(about: string, master: ClusterNode): Finding {
  const isReady = master.state === NodeState.ready;
  return {
    severity: Severity.degraded,
    about,
    problem: `it is being created: its master ${master.key} is in state ${stateName(master.state)}`,
    advice: isReady ? `flare activate ${master.key}` : `wait; if flare stats ${master.key} shows no more items, see its log`,
  };
}

function nodeFindings(seen: SeenNode, { map }: SeenCluster): Finding[] {
  const { node, silence, illness } = seen;
  const about = node.key;
  const isMaster = node.role === NodeRole.master;
  if (node.state === NodeState.down) {
    // A master that is down is its partition's finding.
    if (isMaster) return [];
    const advice =
      silence === undefined
        ? "it answers: the index server marks it as up at its next ping"
        : `start it, and make it a slave again; or, if it is gone for good: flare remove ${about}`;
    return [{ severity: Severity.degraded, about, problem: "it is down", advice }];
  }
  if (silence !== undefined) {
    const severity = isMaster ? Severity.broken : Severity.degraded;
    const advice = "check its machine, process and log; the index server takes it down if it cannot reach it either";
    return [{ severity, about, problem: `it does not answer: ${silence}`, advice }];
  }
  const findings: Finding[] = [];
  const found = (severity: Severity, problem: string, advice: string): void => {
    findings.push({ severity, about, problem, advice });
  };
  if (illness !== undefined) {
    const advice = "see its log; repair its disk, then give it a fresh copy: flare reconstruct, or flare slave";
    found(isMaster ? Severity.broken : Severity.degraded, `it is not healthy: ${illness}`, advice);
  }
  if (!isMaster && node.role === NodeRole.slave && node.state !== NodeState.active) {
    found(
      Severity.degraded,
      "it is still copying its partition",
      `wait; if flare stats ${about} shows no more items, see its log`,
    );
  } else if (node.role === NodeRole.slave && node.balance === 0) {
    found(Severity.note, "it serves no reads", `flare balance ${about}:1`);
  }
  const version = uint64(seen.general.get("node_map_version"));
  if (version !== undefined && version !== map.version) {
    const problem = `it has node map ${version}, the index server has ${map.version}`;
    found(
      Severity.degraded,
      problem,
      `if that persists, it does not receive maps from the index server: see its log, restart it`,
    );
  }
  const { behindSeconds, connections } = parseFigures(seen.general, seen.threads);
  if (behindSeconds >= BEHIND_SECONDS_MAX) {
    const advice = `flare threads ${about} shows what it is waiting for; if ${about} is lost now, its slaves lack those writes`;
    found(Severity.degraded, `its queue has entries ${behindSeconds} s old`, advice);
  }
  const connectionsMax = number(seen.general, "max_connections");
  if (connectionsMax > 0 && connections >= connectionsMax * CONNECTIONS_PART) {
    found(
      Severity.degraded,
      `it has ${connections} connections of ${connectionsMax}`,
      "raise max-connection, or use fewer clients",
    );
  }
  const [records, tables] = [number(seen.general, "corrupt_records"), number(seen.general, "damaged_tables")];
  if (records + tables > 0) {
    const advice = `see its log for the files; copy its partition again from another copy: flare reconstruct ${about}`;
    found(Severity.degraded, `data on its disk is damaged: ${records} records, ${tables} tables`, advice);
  }
  const removals = number(seen.replication, "replication_removals");
  if (removals > 0) {
    const problem = `slaves that missed a write were taken out of the in-sync set since it started: ${removals}`;
    found(Severity.note, problem, "its log says why");
  }
  const lost = number(seen.replication, "replication_failures") + number(seen.replication, "replication_dropped");
  if (
    lost > 0 &&
    isMaster &&
    (seen.replication.get("replication_guarantees") ?? "legacy") === "legacy" &&
    map.nodes.some(({ role, partition }) => role === NodeRole.slave && partition === node.partition)
  ) {
    const advice = "slaves copied before that may lack writes: flare verify, then flare reconstruct for those";
    found(Severity.note, `${lost} copies of writes did not reach a slave since it started`, advice);
  }
  const differing = number(seen.replication, "anti_entropy_differences") - number(seen.replication, "anti_entropy_repairs");
  if (differing > 0) {
    const advice = "its log names some of them; flare verify names them now, flare verify --repair repairs them";
    found(Severity.note, `keys that differed on its slaves since it started: ${differing}`, advice);
  }
  const lostFar =
    number(seen.replication, "cluster_replication_dropped") + number(seen.replication, "cluster_replication_refused");
  if (lostFar > 0) {
    found(Severity.note, `${lostFar} writes did not reach the other cluster since it started`, "see its log");
  }
  return findings;
}

/** Slaves whose number of items differs from their master's. */
function copyFindings({ nodes }: SeenCluster): Finding[] {
  return nodes.flatMap((slave): Finding[] => {
    if (slave.node.role !== NodeRole.slave || slave.node.state !== NodeState.active || slave.silence !== undefined) return [];
    const master = nodes.find(
      ({ node, silence }) => node.role === NodeRole.master && node.partition === slave.node.partition && silence === undefined,
    );
    if (master === undefined) return [];
    const [own, masters] = [number(slave.general, "curr_items"), number(master.general, "curr_items")];
    const difference = Math.abs(own - masters);
    if (difference < ITEMS_DIFFER_MIN || difference < masters * ITEMS_DIFFER_PART) return [];
    return [
      {
        severity: Severity.degraded,
        about: slave.node.key,
        problem: `it has ${own} items, its master ${master.node.key} has ${masters}`,
        advice: `flare verify shows whether keys differ; flare reconstruct ${slave.node.key} copies them again`,
      },
    ];
  });
}

function versionFindings({ index, nodes }: SeenCluster): Finding[] {
  const versions = new Map<string, string[]>();
  for (const { node, general } of nodes) {
    const version = general.get("version");
    if (version !== undefined) versions.set(version, [...(versions.get(version) ?? []), node.key]);
  }
  if (versions.size <= 1) return [];
  const texts = [...versions].map(([version, keys]) => `${version} on ${keys.join(", ")}`);
  const advice = "features of the newer ones do not work with the others";
  return [{ severity: Severity.note, about: index, problem: `the versions differ: ${texts.join("; ")}`, advice }];
}

function number(figures: ReadonlyMap<string, string>, name: string): number {
  return Number(figures.get(name) ?? 0);
}

function uint64(text: string | undefined): Uint64 | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}
