/** A program's interface to a cluster that it has started. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { Client } from "../client/client.ts";
import type { ConnectionOptions } from "../client/client_options.ts";
import type { ClusterNode } from "../cluster/node.ts";
import type { IndexServer } from "../index_server/public_index.ts";
import type { NodeServer } from "../node_server/public_node.ts";

/** A running cluster: an index server, or several, and its nodes, in this process. */
export interface Cluster extends AsyncDisposable {
  /** Its first index server. */
  readonly index: IndexServer;
  /** Its index servers in the order of their start, including stopped ones. */
  readonly indexServers: readonly [IndexServer, ...IndexServer[]];
  /** Its nodes in the order of their start, including stopped ones. */
  readonly nodes: readonly [NodeServer, ...NodeServer[]];
  /** The first index server's address, for `ClusterAdmin` and nodes of other processes. */
  readonly indexAddress: HostPort;
  /** The addresses of all index servers. */
  readonly indexAddresses: readonly [HostPort, ...HostPort[]];
  /** The nodes' addresses for clients: every node answers for every key. */
  readonly addresses: readonly [HostPort, ...HostPort[]];
  /**
   * A new client for the first running node; with TLS it trusts the cluster's CAs. Close it when it is no longer needed.
   * @throws FlareError INVALID_OPTION
   */
  client(options?: ConnectionOptions): Client;
  /** Starts one more node, as a proxy. @throws FlareError as `startNodeServer` */
  addNode(): Promise<NodeServer>;
  /**
   * Gives a node a role at the index server.
   * @param balance the node's share of the reads, 0 = none; @param partition from 0, ignored for a proxy
   * @throws FlareError REFUSED
   */
  setRole(node: NodeServer, role: "master" | "slave" | "proxy", balance: number, partition: number): Promise<void>;
  /**
   * Resolves when `done` returns true for the node's entry, both in the index server's node map and in the node's own.
   * @param timeoutMs milliseconds, default one hour
   * @throws FlareError TIMED_OUT
   */
  waitFor(node: NodeServer, done: (entry: ClusterNode) => boolean, timeoutMs?: number): Promise<void>;
  /** Makes a proxy the slave of a partition; resolves when its copy is complete. @throws FlareError REFUSED | TIMED_OUT */
  addSlave(node: NodeServer, partition: number): Promise<void>;
  /** Makes a proxy the master of the next partition; resolves when it owns its keys. @throws FlareError REFUSED | TIMED_OUT */
  addPartition(node: NodeServer, partition: number): Promise<void>;
  /** Reloads the files of users and certificates. */
  reload(): Promise<void>;
  /** Stops everything gracefully. The next start finds persistent data again. @throws FlareError IO_ERROR | DISK_FULL */
  stop(): Promise<void>;
  /** The same as `stop()`, at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
