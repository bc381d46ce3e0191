/**
 * What `show variables` of an index server says: the settings as they are configured, in the original's words, order
 * and columns, because tools read them. Settings the original does not have are shown by `--print-config` instead.
 */

import { variableLines } from "../base/variable_lines.ts";
import { type IndexSettings, indexOptionTable } from "./index_options.ts";

const NAME_WIDTH = 26;

/** In the original's order. */
const shown: readonly (keyof IndexSettings)[] = [
  "configPath",
  "pidPath",
  "daemonize",
  "dataDir",
  "maxConnection",
  "monitorThreshold",
  "monitorIntervalMs",
  "monitorReadTimeoutMs",
  "netReadTimeoutMs",
  "partitionModularHint",
  "partitionModularVirtual",
  "partitionSize",
  "partitionType",
  "keyHashAlgorithm",
  "serverName",
  "serverPort",
  "serverSocket",
  "stackSizeKib",
  "threadPoolSize",
];

/** The lines in front of `END`, without line ends. */
export function showIndexVariables(options: IndexSettings): string[] {
  return variableLines(NAME_WIDTH, indexOptionTable, options, shown);
}
