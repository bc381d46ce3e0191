/**
 * What a node server is made of: built once, by the server, which alone has all of it. Everything else takes the parts it
 * needs, `Pick<NodeComponents, "routing" | "storage">`, and knows no others.
 */

import type { KeyHash } from "../cluster/key_hash.ts";
import type { Routing } from "../cluster/routing.ts";
import type { PeerPool } from "../net/peer/peer_pool.ts";
import type { DaemonTls } from "../net/tls/daemon_tls.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import type { InSyncReplicas } from "../replication/in_sync_replicas.ts";
import type { Lease } from "../replication/lease.ts";
import type { Replicator } from "../replication/replicator.ts";
import type { Follower } from "../replication/stream/follower.ts";
import type { Visibility } from "../replication/visibility.ts";
import type { Clock, Runtime } from "../runtime/runtime.ts";
import type { HotKeys } from "../stats/hot_keys.ts";
import type { Storage } from "../storage/storage.ts";
import type { PartitionFlush } from "./flush/partition_flush.ts";
import type { OtherCluster } from "./forward/other_cluster.ts";
import type { Handover } from "./life/handover.ts";
import type { TimeWatcher } from "./life/time_watcher.ts";
import type { NodeSettings } from "./node_options.ts";
import type { CrawlerSettings } from "./stats/crawler_settings.ts";
import type { NodeStats } from "./stats/node_stats.ts";
import type { Watchers } from "./stats/watchers.ts";

export interface NodeComponents {
  readonly runtime: Runtime;
  /** Reloadable settings change here, so handlers read them when they need them. */
  options: NodeSettings;
  readonly storage: Storage;
  /** Replaced when the node learns the partitioning parameters; its map changes with every node sync. */
  readonly routing: Routing;
  readonly keyHash: KeyHash;
  readonly peers: PeerPool;
  /** Connections only for scans, so that a long answer does not delay reads and writes. */
  readonly scanPeers: PeerPool;
  readonly inSync: InSyncReplicas;
  readonly replicator: Replicator;
  /** Our end of our master's replication stream. */
  readonly follower: Follower;
  readonly lease: Lease;
  readonly visibility: Visibility;
  /** Cluster replication. */
  readonly otherCluster: OtherCluster;
  readonly workers: WorkerRegistry;
  readonly tls: DaemonTls;
  readonly stats: NodeStats;
  readonly hotKeys: HotKeys;
  readonly handover: Handover;
  readonly partitionFlush: PartitionFlush;
  readonly crawler: CrawlerSettings;
  readonly watchers: Watchers;
  readonly timeWatcher: TimeWatcher;
  /** Our own `host:port`. */
  readonly selfKey: string;
}

/** The wall clock in whole seconds. */
export function nowSeconds(parts: { readonly runtime: { readonly clock: Pick<Clock, "nowMs"> } }): number {
  return Math.floor(parts.runtime.clock.nowMs() / 1000);
}
