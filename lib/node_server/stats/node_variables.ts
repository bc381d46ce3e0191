/**
 * The output of a node server's `show variables`: the settings with the original's names, order and columns, because tools
 * parse them. `--print-config` shows the settings that the original does not have.
 */

import { formatHostPort } from "../../base/host_port.ts";
import { variableLines } from "../../base/variable_lines.ts";
import type { ReplicationType } from "../../replication/visibility.ts";
import { type NodeSettings, nodeOptionTable } from "../node_options.ts";

const NAME_WIDTH = 24;

/** In the original's order. */
const shown: readonly (keyof NodeSettings)[] = [
  "backLog",
  "configPath",
  "pidPath",
  "daemonize",
  "dataDir",
  "indexServers",
  "maxConnection",
  "mutexSlot",
  "noreplyWindowLimit",
  "netReadTimeoutMs",
  "proxyConcurrency",
  "reconstructionIntervalUs",
  "reconstructionBwlimitBytesPerSecond",
  "replicationType",
  "serverName",
  "serverPort",
  "serverSocket",
  "stackSizeKib",
  "storageAp",
  "storageBucketSize",
  "storageCacheSize",
  "storageCompress",
  "storageLarge",
  "storageLmemb",
  "storageNmemb",
  "storageDfunit",
  "storageType",
  "threadPoolSize",
  "proxyPriorNetmask",
  "maxTotalThreadQueue",
  "timeWatcherEnabled",
  "timeWatcherPollingIntervalMs",
  "storageAccessWatchThresholdWarnMs",
  "storageAccessWatchThresholdPingNgMs",
  "clusterReplication",
  "clusterReplicationServerName",
  "clusterReplicationServerPort",
  "clusterReplicationConcurrency",
  "clusterReplicationMode",
];

/** The lines before `END`, without line ends; `replicationType`: what that of the options means here. */
export function showNodeVariables(options: NodeSettings, replicationType: ReplicationType): string[] {
  return variableLines(NAME_WIDTH, nodeOptionTable, options, shown, {
    replicationType,
    indexServers: options.indexServers.map(({ host, port }) => formatHostPort(host, port)).join(", "),
    clusterReplication: options.clusterReplication ? "1" : "0",
  });
}
