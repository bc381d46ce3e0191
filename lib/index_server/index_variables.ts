/**
 * What `show variables` of an index server says: the settings as they are configured, in the original's words, order
 * and columns, because tools read them. Settings the original does not have are shown by `--print-config` instead.
 */

import { variableLines } from "../base/variable_lines.ts";
import type { IndexServerOptions } from "./index_options.ts";
import { indexOptionTable as table } from "./index_options.ts";

/** The lines in front of `END`, without line ends. */
export function showIndexVariables(options: IndexServerOptions): string[] {
  return variableLines(26, {
    config_path: options.configPath,
    pid_path: options.pidPath,
    daemonize: `${options.daemonize}`,
    data_dir: options.dataDir,
    max_connection: `${options.maxConnection}`,
    monitor_threshold: `${options.monitorThreshold}`,
    monitor_interval: table.monitorIntervalMs.format(options.monitorIntervalMs),
    monitor_read_timeout: `${options.monitorReadTimeoutMs}`,
    net_read_timeout: table.netReadTimeoutMs.format(options.netReadTimeoutMs),
    partition_modular_hint: `${options.partitionModularHint}`,
    partition_modular_virtual: `${options.partitionModularVirtual}`,
    partition_size: `${options.partitionSize}`,
    partition_type: options.partitionType,
    key_hash_algorithm: options.keyHashAlgorithm,
    server_name: options.serverName,
    server_port: `${options.serverPort}`,
    server_socket: options.serverSocket,
    stack_size: `${options.stackSizeKib}`,
    thread_pool_size: `${options.threadPoolSize}`,
  });
}
