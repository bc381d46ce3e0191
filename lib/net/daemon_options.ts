/**
 * The options both daemons have, with the same names, limits and defaults. Each daemon's table spreads these and
 * gives the ones whose default differs (the port, the directory's content) itself.
 */

import { booleanOption, choiceOption, hostOption, integerOption, textOption } from "../base/option_schema.ts";

/** The largest value of a 32-bit option. */
export const int32Max = 0x7fffffff;

/** Options of the process: where it gets its settings from and where its traces go. */
export const processOptions = {
  configPath: textOption({
    name: "config",
    short: "f",
    default: "",
    placeholder: "path",
    since: "0.9.8",
    commandLineOnly: true,
    help: "config file",
  }),
  pidPath: textOption({
    name: "pid",
    short: "p",
    default: "",
    placeholder: "path",
    since: "1.0.10",
    commandLineOnly: true,
    help: "pid file; in the data directory unless given",
  }),
  stderr: booleanOption({
    name: "stderr",
    short: "s",
    default: false,
    since: "1.3.4",
    commandLineOnly: true,
    effective: false,
    help: "log to stderr, where the log goes unless log-file is given",
  }),
  daemonize: booleanOption({
    name: "daemonize",
    default: false,
    since: "0.9.8",
    help: "run in the background, log to a file",
  }),
  logFile: textOption({
    name: "log-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    help: "append the log to this file, opened again on SIGHUP; default: stderr, in the background <data-dir>/<program>.log",
  }),
  logFacility: textOption({
    name: "log-facility",
    default: "",
    placeholder: "name",
    since: "0.9.8",
    reloadable: true,
    effective: false,
    help: "syslog facility (the log goes to stderr)",
  }),
  logLevel: choiceOption({
    name: "log-level",
    default: "notice",
    choices: ["error", "warning", "notice", "info", "debug"],
    since: "2.0.0",
    help: "the least important lines that are logged",
  }),
  stackSizeKib: integerOption({
    name: "stack-size",
    default: 128,
    min: 0,
    max: int32Max,
    unit: "KiB",
    since: "0.9.9.6",
    effective: false,
    help: "stack of a thread",
  }),
  threadPoolSize: integerOption({
    name: "thread-pool-size",
    default: 5,
    min: 0,
    max: int32Max,
    since: "0.9.8",
    reloadable: true,
    effective: false,
    help: "idle threads kept",
  }),
};

/** Options of the server's sockets. */
export const serverOptions = {
  serverName: hostOption({
    name: "server-name",
    default: "",
    placeholder: "host",
    since: "0.9.8",
    help: "the name others reach this server by; the host's full name unless given",
  }),
  serverSocket: textOption({
    name: "server-socket",
    default: "",
    placeholder: "path",
    since: "1.0.9",
    help: "listen on this UNIX socket too",
  }),
  bind: hostOption({
    name: "bind",
    default: "0.0.0.0",
    placeholder: "address",
    since: "2.0.0",
    help: "the address to listen on",
  }),
  maxConnection: integerOption({
    name: "max-connection",
    default: 1024,
    min: 1,
    max: 1000000,
    since: "0.9.8",
    reloadable: true,
    help: "client connections at the same time",
  }),
  lineBytesMax: integerOption({
    name: "line-bytes-max",
    default: 1048576,
    min: 1024,
    max: int32Max,
    unit: "bytes",
    since: "2.0.0",
    help: "longest request line",
  }),
  requestMemoryBytesMax: integerOption({
    name: "request-memory-limit",
    default: 256,
    min: 1,
    max: 1048576,
    unit: "MiB",
    scale: 1048576,
    since: "2.0.0",
    help: "memory for requests that have not arrived completely, all connections together",
  }),
  outputHighWaterBytes: integerOption({
    name: "output-high-water",
    default: 1024,
    min: 1,
    max: 1048576,
    unit: "KiB",
    scale: 1024,
    since: "2.0.0",
    help: "replies a connection may have waiting before its requests are no longer read",
  }),
};

/** `server-port`, whose default is each daemon's own. */
export function serverPortOption(port: number) {
  return integerOption({
    name: "server-port",
    default: port,
    min: 0,
    max: 65535,
    since: "0.9.8",
    help: "the port to listen on; 0 takes any free one",
  });
}

/** `data-dir`, the one option without a sensible default. */
export function dataDirOption(content: string) {
  return textOption({ name: "data-dir", default: "", placeholder: "path", since: "0.9.8", help: `directory of ${content}` });
}

/** `net-read-timeout`, whose default is each daemon's own (seconds). */
export function netReadTimeoutOption(seconds: number) {
  return integerOption({
    name: "net-read-timeout",
    default: seconds,
    min: 1,
    max: 2147483,
    unit: "s",
    scale: 1000,
    since: "1.0.9",
    reloadable: true,
    help: "how long a connection may be silent",
  });
}
