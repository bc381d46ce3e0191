/**
 * The options of `flare up`, which runs a whole cluster in one process. The settings of its nodes are flared's own
 * options, only fewer.
 */

import { FlareError } from "../lib/base/errors.ts";
import type { OptionValues } from "../lib/base/option_schema.ts";
import { clusterAccessOptions, shapeOptions } from "../lib/local_cluster/cluster_options.ts";
import { checkTlsOptions } from "../lib/net/tls_options.ts";
import { nodeOptionTable } from "../lib/node_server/node_options.ts";

/** The options of `flare up`. */
export const upOptionTable = {
  ...shapeOptions,
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  logLevel: nodeOptionTable.logLevel,
  ...clusterAccessOptions,
  enableSsl: nodeOptionTable.enableSsl,
  sslChainCert: nodeOptionTable.sslChainCert,
  sslKey: nodeOptionTable.sslKey,
  sslCaCert: nodeOptionTable.sslCaCert,
  sslVerifyMode: nodeOptionTable.sslVerifyMode,
  sslMinVersion: nodeOptionTable.sslMinVersion,
};

/** The settings of `flare up`. */
export type UpOptions = OptionValues<typeof upOptionTable>;

/**
 * Checks that the options fit together; `nodes` is never 0 in the answer.
 * @throws FlareError INVALID_OPTION
 */
export function upOptions(given: UpOptions): UpOptions {
  const needed = given.partitions * (1 + given.slaves);
  const nodes = given.nodes === 0 ? needed : given.nodes;
  if (nodes < needed) {
    const wanted = `${given.partitions} partitions with ${given.slaves} slaves each`;
    throw new FlareError(
      "INVALID_OPTION",
      `option "nodes": "${nodes}" is not enough for ${wanted}; at least ${needed} are needed`,
    );
  }
  if (given.port !== 0 && given.port + nodes > 65536) {
    throw new FlareError("INVALID_OPTION", `option "port": "${given.port}" leaves no room for ${nodes} nodes below 65536`);
  }
  checkTlsOptions(given);
  return { ...given, nodes };
}
