/**
 * Queries the servers of a cluster for `cluster_check.ts`. A server that does not answer is a finding, not an error. Nodes get
 * a new node map one after the other, so a version that differs is checked again.
 */

import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";
import { checkCluster, type Finding, indexSilent, type SeenCluster, type SeenNode } from "./cluster_check.ts";

const LOOKS_MAX = 3;
const PAUSE_MS = 1000;
const NO_FIGURES: ReadonlyMap<string, string> = new Map();

/** All findings about a cluster, worst first. */
export async function inspectCluster(admin: ClusterAdmin): Promise<Finding[]> {
  for (let look = 1; ; look++) {
    let seen: SeenCluster;
    try {
      seen = await lookAtCluster(admin);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return admin.indexKeys.map((key) => indexSilent(key, error.message));
    }
    if (look === LOOKS_MAX || seen.nodes.every((node) => hasMap(node, seen))) return checkCluster(seen);
    await sleep(admin.runtime.clock, PAUSE_MS, true);
  }
}

function hasMap({ silence, general }: SeenNode, { map }: SeenCluster): boolean {
  const version = general.get("node_map_version");
  return silence !== undefined || version === undefined || version === String(map.version);
}

/** @throws FlareError when no index server answers */
async function lookAtCluster(admin: ClusterAdmin): Promise<SeenCluster> {
  const [map, indexServers] = await Promise.all([admin.nodeMap(), admin.indexReports()]);
  const nodes = await Promise.all(map.nodes.map((node) => lookAtNode(admin, node)));
  return { index: admin.index.server, indexServers, map, nodes };
}

/** What a node says now; that it does not answer is no error. */
export async function lookAtNode(admin: ClusterAdmin, node: ClusterNode): Promise<SeenNode> {
  const client = admin.client(node.key);
  const nothing = { node, general: NO_FIGURES, threads: NO_FIGURES, replication: NO_FIGURES };
  try {
    const illness = await refusalOf(client.ping());
    const [general, threads] = await Promise.all([client.stats(), client.stats("threads")]);
    // The original does not have these statistics.
    const replication = await client.stats("replication").catch(refusedIs(NO_FIGURES));
    return { node, general, threads, replication, ...(illness === undefined ? {} : { illness }) };
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return { ...nothing, silence: error.message };
  }
}

/** A server's answer if it was not OK; undefined if it is healthy. @throws FlareError if there was no answer */
async function refusalOf(answer: Promise<void>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    return refusedIs((error as FlareError).message)(error);
  }
}

function refusedIs<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof FlareError && error.code === "REFUSED") return value;
    throw error;
  };
}
