/**
 * The connection of the operator's verbs to their cluster: their common options and environment variables, and a `ClusterAdmin`
 * while a verb runs.
 */

import { appendFileSync, openSync } from "node:fs";
import process from "node:process";
import { type Command, Option } from "commander";
import { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { KIB } from "../lib/base/byte_units.ts";
import { FlareError } from "../lib/base/errors.ts";
import { type HostPort, PORT_MAX } from "../lib/base/host_port.ts";
import { INDEX_PORT } from "../lib/net/daemon_options.ts";
import type { LogLevel, Runtime } from "../lib/runtime/runtime.ts";
import { detectRuntime } from "../mod.ts";
import { clientTls, type TlsTexts } from "./client_tls.ts";
import { createCommand } from "./command_line.ts";
import { addCredentialOptions, type CredentialTexts, givenCredentials } from "./credentials.ts";

const defaultHost = "127.0.0.1";
const defaultTimeoutSeconds = 10;
const keepAliveMs = 3_600_000;

/** Common options without a short name here, because the verb uses the letter. */
export interface VerbOptions {
  readonly lettersTaken?: readonly ("i" | "p")[];
}

/** A verb of `flare` with the common options. */
export function createVerb(name: string, description: string, { lettersTaken = [] }: VerbOptions = {}): Command {
  const long = (letter: "i" | "p", rest: string): string => (lettersTaken.includes(letter) ? rest : `-${letter}, ${rest}`);
  const command = createCommand(name, description);
  command
    .option(
      long("i", "--index-server <host[:port],...>"),
      `the index server, or several of a cluster (default ${defaultHost}; environment FLARE_INDEX_SERVER)`,
    )
    .option(long("p", "--index-server-port <n>"), `its port (default ${INDEX_PORT}; environment FLARE_INDEX_SERVER_PORT)`)
    .option("--cluster <name>", "name of the cluster (no effect: each index server has one)")
    .option("--ssl", "use TLS (environment FLARE_SSL=true)")
    .option("--ssl-ca-cert <path>", "PEM file of the CAs of the servers' certificates (FLARE_SSL_CA_CERT)")
    .option("--ssl-chain-cert <path>", "PEM file of the client certificate (FLARE_SSL_CHAIN_CERT)")
    .option("--ssl-key <path>", "PEM file of its private key; default: the certificate's file contains it (FLARE_SSL_KEY)")
    .option("--timeout <seconds>", `how long a server may take to answer (default ${defaultTimeoutSeconds})`)
    .option("--debug", "log the conversation with the servers")
    .option("--warn", "log warnings and errors only")
    .option("--log-file <path>", "append the log to a file instead of stderr");
  return addCredentialOptions(command);
}

/** `-o json`, for verbs that print tables. */
export function addTableOptions(command: Command): Command {
  return command.addOption(
    new Option("-o, --output-format <format>", "format of the results").choices(["table", "json"]).default("table"),
  );
}

/** The options or environment variables for the index server. */
export interface IndexServerTexts {
  readonly indexServer?: string | undefined;
  readonly indexServerPort?: string | undefined;
}

/**
 * The index servers from the options or else from the environment, separated by commas. A host can include a port; a separate
 * port overrides that if it comes from the same or a stronger source.
 * @throws FlareError INVALID_OPTION
 */
export function indexServerAddresses(
  options: IndexServerTexts,
  environment: Readonly<Record<string, string | undefined>>,
): readonly HostPort[] {
  const given = nonEmpty(options.indexServer) ?? nonEmpty(environment.FLARE_INDEX_SERVER) ?? defaultHost;
  return given.split(",").map((text) => indexServerAddress(text.trim(), options, environment));
}

function indexServerAddress(
  text: string,
  options: IndexServerTexts,
  environment: Readonly<Record<string, string | undefined>>,
): HostPort {
  const given = splitHost(text);
  const portText = options.indexServerPort ?? given.port ?? nonEmpty(environment.FLARE_INDEX_SERVER_PORT) ?? String(INDEX_PORT);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port < 1 || port > PORT_MAX) {
    throw new FlareError("INVALID_OPTION", `option "index-server-port": "${portText}" is not an integer from 1 to ${PORT_MAX}`);
  }
  if (given.host === "") throw new FlareError("INVALID_OPTION", `option "index-server": a name in the list is empty`);
  return { host: given.host, port };
}

/** An integer option. @throws FlareError INVALID_OPTION */
export function countOption(name: string, text: string | undefined, otherwise: number, minimum = 0): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d{1,10}$/.test(text) && value >= minimum) return value;
  throw new FlareError("INVALID_OPTION", `option "${name}": "${text}" is not an integer from ${minimum} on`);
}

/** An option in seconds (fractions allowed), returned in milliseconds. @throws FlareError INVALID_OPTION */
export function secondsOption(name: string, text: string | undefined, otherwiseSeconds: number): number {
  if (text === undefined) return otherwiseSeconds * 1000;
  if (/^\d{1,6}(\.\d{1,3})?$/.test(text)) return Number(text) * 1000;
  throw new FlareError("INVALID_OPTION", `option "${name}": "${text}" is not a number of seconds`);
}

/** How long a server may take to answer, in milliseconds. @throws FlareError INVALID_OPTION */
export function timeoutOption(text: string | undefined): number {
  const timeoutMs = secondsOption("timeout", text, defaultTimeoutSeconds);
  if (timeoutMs > 0) return timeoutMs;
  throw new FlareError("INVALID_OPTION", `option "timeout": "${text}" must be more than 0`);
}

/** An option in bytes per second, with k, m or g for 1024 and so on. @throws FlareError INVALID_OPTION */
export function bandwidthOption(text: string | undefined): number {
  if (text === undefined) return 0;
  const [, digits, unit = ""] = /^(\d{1,12})([kmg]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new FlareError(
      "INVALID_OPTION",
      `option "bwlimit": "${text}" is not a number of bytes per second such as 65536 or 64k`,
    );
  }
  return Number(digits) * KIB ** ["", "k", "m", "g"].indexOf(unit.toLowerCase());
}

/** Runs a verb with its cluster; closes the connections afterwards. @throws FlareError */
export async function withAdmin(command: Command, work: (admin: ClusterAdmin) => Promise<void>): Promise<void> {
  type Texts = IndexServerTexts & CredentialTexts & TlsTexts;
  const options = command.opts<Texts & { timeout?: string; debug?: true; warn?: true; logFile?: string }>();
  const timeoutMs = timeoutOption(options.timeout);
  const indexServers = indexServerAddresses(options, process.env);
  const logLevel: LogLevel = options.debug ? "debug" : options.warn ? "warning" : "notice";
  const runtime = detectRuntime({ programName: "flare", logLevel });
  const admin = new ClusterAdmin({
    runtime: options.logFile === undefined ? runtime : logTo(runtime, options.logFile, logLevel),
    indexServers,
    connectTimeoutMs: timeoutMs,
    replyTimeoutMs: timeoutMs,
    ...givenCredentials(options, process.env),
    ...clientTls(options, process.env),
  });
  // The library's timers do not keep the process alive: without this one it could exit while it waits.
  const keepAlive = setInterval(() => {}, keepAliveMs);
  try {
    await work(admin);
  } finally {
    clearInterval(keepAlive);
    admin.close();
  }
}

/** @throws FlareError INVALID_OPTION */
function logTo(runtime: Runtime, path: string, threshold: LogLevel): Runtime {
  const file = openLog(path);
  const levels: readonly LogLevel[] = ["error", "warning", "notice", "info", "debug"];
  return {
    ...runtime,
    log: {
      write(level, message) {
        if (levels.indexOf(level) > levels.indexOf(threshold)) return;
        appendFileSync(file, `${new Date(runtime.clock.nowMs()).toISOString()} ${level} flare ${message}\n`);
      },
    },
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, "a");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `option "log-file": "${path}" cannot be written: ${reason}`, { cause });
  }
}

function splitHost(text: string): { host: string; port: string | undefined } {
  const [, host = text, port] = /^(.+):(\d+)$/.exec(text) ?? [];
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
