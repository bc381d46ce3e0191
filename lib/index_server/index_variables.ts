/**
 * The output of an index server's `show variables`: the settings with the original's names, order and columns, because tools
 * parse them. `--print-config` shows the settings that the original does not have.
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

/** The lines before `END`, without line ends. */
export function showIndexVariables(options: IndexSettings): string[] {
  return variableLines(NAME_WIDTH, indexOptionTable, options, shown);
}
