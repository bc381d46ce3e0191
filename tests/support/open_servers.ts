/**
 * The servers a program starts, for tests that look inside: what `mod.ts` hands out is the public part of them.
 */

import { assert } from "@std/assert";
import { RunningIndex } from "../../lib/index_server/index_server.ts";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import { RunningNode } from "../../lib/node_server/node_server.ts";
import {
  type StartClusterOptions,
  type StartIndexServerOptions,
  type StartNodeServerOptions,
  startCluster,
  startIndexServer,
  startNodeServer,
} from "../../mod.ts";

/** `startCluster`, with what is inside. */
export async function startOpenCluster(options: StartClusterOptions = {}): Promise<LocalCluster> {
  const cluster = await startCluster(options);
  assert(cluster instanceof LocalCluster);
  return cluster;
}

/** `startNodeServer`, with what is inside. */
export async function startOpenNode(options: StartNodeServerOptions): Promise<RunningNode> {
  const node = await startNodeServer(options);
  assert(node instanceof RunningNode);
  return node;
}

/** `startIndexServer`, with what is inside. */
export async function startOpenIndex(options: StartIndexServerOptions): Promise<RunningIndex> {
  const index = await startIndexServer(options);
  assert(index instanceof RunningIndex);
  return index;
}
