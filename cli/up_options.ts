/**
 * The options of `flare up`, which runs a whole cluster in one process. The settings of its nodes are a subset of flared's
 * options.
 */

import type { OptionValues } from "../lib/base/option_schema.ts";
import { clusterAccessOptions, shapeOptions } from "../lib/local_cluster/cluster_options.ts";
import { processOptions } from "../lib/net/daemon_options.ts";
import { checkHttpOptions } from "../lib/net/http/http_options.ts";
import { checkTlsOptions, tlsOptions } from "../lib/net/tls/tls_options.ts";
import { nodeOptionTable } from "../lib/node_server/node_options.ts";

/** Those that `startCluster` takes under the same names. */
export const upClusterOptions = {
  ...shapeOptions,
  replicationType: nodeOptionTable.replicationType,
  memoryBytesMax: nodeOptionTable.memoryBytesMax,
  fsync: nodeOptionTable.fsync,
  logLevel: nodeOptionTable.logLevel,
};

/** The options of `flare up`. */
export const upOptionTable = {
  configPath: processOptions.configPath,
  ...upClusterOptions,
  logFormat: processOptions.logFormat,
  ...clusterAccessOptions,
  ...tlsOptions,
};

/** The settings of `flare up`. */
export type UpOptions = OptionValues<typeof upOptionTable>;

/** Checks that the options are consistent; the start checks them against the data directory. @throws FlareError */
export function upOptions(given: UpOptions): UpOptions {
  checkTlsOptions(given);
  checkHttpOptions(given);
  return given;
}
