/**
 * What `show variables` of a node server says: the settings as they are configured, in the original's words, order
 * and columns, because tools read them. Settings the original does not have are shown by `--print-config` instead.
 */

import { formatHostPort } from "../../base/host_port.ts";
import { variableLines } from "../../base/variable_lines.ts";
import type { NodeServerOptions } from "../node_options.ts";
import { nodeOptionTable as table } from "../node_options.ts";

/** The lines in front of `END`, without line ends. */
export function showNodeVariables(options: NodeServerOptions): string[] {
  return variableLines(24, {
    back_log: `${options.backLog}`,
    config_path: options.configPath,
    pid_path: options.pidPath,
    daemonize: `${options.daemonize}`,
    data_dir: options.dataDir,
    "index_server(s)": options.indexServers.map(({ host, port }) => formatHostPort(host, port)).join(", "),
    max_connection: `${options.maxConnection}`,
    mutex_slot: `${options.mutexSlot}`,
    noreply_window_limit: `${options.noreplyWindowLimit}`,
    net_read_timeout: table.netReadTimeoutMs.format(options.netReadTimeoutMs),
    proxy_concurrency: `${options.proxyConcurrency}`,
    reconstruction_interval: `${options.reconstructionIntervalUs}`,
    reconstruction_bwlimit: table.reconstructionBwlimitBytesPerSecond.format(options.reconstructionBwlimitBytesPerSecond),
    replication_type: options.replicationType,
    server_name: options.serverName,
    server_port: `${options.serverPort}`,
    server_socket: options.serverSocket,
    stack_size: `${options.stackSizeKib}`,
    storage_ap: `${options.storageAp}`,
    storage_bucket_size: `${options.storageBucketSize}`,
    storage_cache_size: `${options.storageCacheSize}`,
    storage_compress: options.storageCompress,
    storage_large: `${options.storageLarge}`,
    storage_lmemb: `${options.storageLmemb}`,
    storage_nmemb: `${options.storageNmemb}`,
    storage_dfunit: `${options.storageDfunit}`,
    storage_type: options.storageType,
    thread_pool_size: `${options.threadPoolSize}`,
    proxy_prior_netmask: `${options.proxyPriorNetmask}`,
    max_total_thread_queue: `${options.maxTotalThreadQueue}`,
    time_watcher_enabled: `${options.timeWatcherEnabled}`,
    time_watcher_polling_interval_msec: `${options.timeWatcherPollingIntervalMs}`,
    storage_access_watch_threshold_warn_msec: `${options.storageAccessWatchThresholdWarnMs}`,
    storage_access_watch_threshold_ping_ng_msec: `${options.storageAccessWatchThresholdPingNgMs}`,
    cluster_replication: options.clusterReplication ? "1" : "0",
    cluster_replication_server_name: options.clusterReplicationServerName,
    cluster_replication_server_port: `${options.clusterReplicationServerPort}`,
    cluster_replication_concurrency: `${options.clusterReplicationConcurrency}`,
    cluster_replication_mode: options.clusterReplicationMode,
  });
}
