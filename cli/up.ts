/**
 * `flare up`: a whole cluster in this process, and its first screen. The command line's options are remembered in the data
 * directory, so that a start with that directory alone restores the same cluster.
 */

import { readFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { fitsConfigFile } from "../lib/base/config_file.ts";
import { FlareError } from "../lib/base/errors.ts";
import { formatHostPort } from "../lib/base/host_port.ts";
import { type Option, type OptionTable, pickOptions } from "../lib/base/option_schema.ts";
import { defaultOrigin, printConfig, rememberedOrigin, type Settings } from "../lib/base/settings.ts";
import { VERSION } from "../lib/base/version.ts";
import { type ClusterShape, plannedShape } from "../lib/local_cluster/cluster_memory.ts";
import { clusterAccessOptions } from "../lib/local_cluster/cluster_options.ts";
import { exposureWarning } from "../lib/net/auth/exposure.ts";
import { httpUrl } from "../lib/net/http/own_hosts.ts";
import { serverTlsOf } from "../lib/net/tls/server_tls.ts";
import { tlsOptions } from "../lib/net/tls/tls_options.ts";
import { type Cluster, detectRuntime, startCluster } from "../mod.ts";
import { paintFor } from "./colours.ts";
import { addOptions, createCommand, givenFlags, readSettings } from "./command_line.ts";
import { madeToken, tokenIn } from "./http_token.ts";
import { handleSignals } from "./main.ts";
import { type UpOptions, upClusterOptions, upOptions, upOptionTable } from "./up_options.ts";

/** The file in the data directory with the command line's options. */
const memoryName = "flare.conf";
/** Options that are not remembered: paths and the log level. The node map has the cluster's shape. */
const notRemembered = new Set<string>(["configPath", "dataDir", "logLevel", "partitions", "slaves", "nodes"]);

type UpSettings = Settings<typeof upOptionTable>;

/** The verb `up`. */
export function upCommand(): Command {
  const up = createCommand("up", "run a whole cluster in this process: index servers and nodes");
  addOptions(up, upOptionTable);
  up.option("--print-config", "print the settings as a config file, with the origin of each, and exit");
  up.addHelpText(
    "after",
    `
The data directory remembers the cluster's shape and the command line's options (in ${memoryName}); new options override them.`,
  );
  up.action(async () => {
    const read = (): UpSettings => upSettings(givenFlags(up, upOptionTable));
    const settings = read();
    if (up.getOptionValue("printConfig") === true) process.stdout.write(printConfig(upOptionTable, await withShape(settings)));
    else await runCluster(settings, () => read().values.logLevel);
  });
  return up;
}

/** The settings; remembered ones come after everything else that is given. @throws FlareError */
function upSettings(flags: Readonly<Record<string, string>>): UpSettings {
  const path = join(readSettings(upOptionTable, flags).values.dataDir, memoryName);
  const text = readMemory(path);
  return readSettings(upOptionTable, flags, text === undefined ? {} : { remembered: { path, text } });
}

function readMemory(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("IO_ERROR", `"${path}" cannot be read: ${reason}`, { cause });
  }
}

/** The options to remember: the command line's, and the earlier ones. */
function memoryText({ values, origins }: UpSettings): string {
  const lines = ['# The options of "flare up" for this cluster, for the next start. Change it while the cluster is stopped.'];
  for (const [field, option] of Object.entries<Option<unknown>>(upOptionTable as OptionTable)) {
    const origin = origins[field as keyof UpOptions];
    if (notRemembered.has(field) || (origin !== "flag" && !origin.startsWith(rememberedOrigin))) continue;
    const given = option.format(values[field as keyof UpOptions]);
    // Paths are relative to the directory in which they were given.
    const value = option.placeholder === "path" && given !== "" ? resolve(given) : given;
    if (fitsConfigFile(value)) lines.push(`${option.name} = ${value}`.trimEnd());
    else process.stderr.write(`flare: option "${option.name}" is not remembered: a config file cannot contain "${value}"\n`);
  }
  return `${lines.join("\n")}\n`;
}

/** The requested part of the shape; undefined = as in the directory. */
function askedShape({ values, origins }: UpSettings): Partial<ClusterShape> {
  const asked: Partial<Record<keyof ClusterShape, number>> = {};
  for (const field of ["partitions", "slaves", "nodes"] as const) {
    if (origins[field] !== defaultOrigin) asked[field] = values[field];
  }
  return asked;
}

/** The settings with the resulting shape. @throws FlareError */
async function withShape(settings: UpSettings): Promise<UpSettings> {
  const { values, origins } = settings;
  const { storage, port, dataDir } = values;
  const runtime = detectRuntime({ programName: "flare", logLevel: values.logLevel });
  const { partitions, slaves, nodes, known } = await plannedShape(runtime, { storage, port, dataDir, ...askedShape(settings) });
  if (!known) return settings;
  const origin = (field: "partitions" | "slaves" | "nodes"): string =>
    origins[field] === defaultOrigin ? `${rememberedOrigin} "${dataDir}"` : origins[field];
  const shapeOrigins = { partitions: origin("partitions"), slaves: origin("slaves"), nodes: origin("nodes") };
  return { values: { ...values, partitions, slaves, nodes }, origins: { ...origins, ...shapeOrigins } };
}

/** @param logLevelNow what it is by the files of now */
async function runCluster(settings: UpSettings, logLevelNow: () => UpOptions["logLevel"]): Promise<void> {
  const options = upOptions(settings.values);
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const access = pickOptions(clusterAccessOptions, options);
  const tls = options.enableSsl ? { tls: serverTlsOf(pickOptions(tlsOptions, options)) } : {};
  const { logLevel, logFormat } = options;
  const runtime = detectRuntime({ programName: "flare", logLevel, logFormat });
  const { partitions: _partitions, slaves: _slaves, nodes: _nodes, ...rest } = pickOptions(upClusterOptions, options);
  const asked = askedShape(settings);
  const shape = await plannedShape(runtime, { ...rest, ...asked });
  // It stays the same over restarts, so that a browser that has it can go on.
  const httpTokenFile = options.httpTokenFile || (options.httpPort === 0 ? "" : madeToken(options.dataDir));
  const starting = startCluster({ ...rest, httpTokenFile, ...asked, ...tls, access, runtime, onProgress: say });
  handleSignals("flare", {
    async stop() {
      say("stopping");
      await (await starting).stop();
      say("stopped");
    },
    async reload() {
      await (await starting).reload();
      runtime.log.setLevel?.(logLevelNow());
      say("files reloaded");
    },
  });
  const cluster = await starting;
  const path = join(options.dataDir, memoryName);
  const text = memoryText(settings);
  if (readMemory(path) !== text) await runtime.files.replace(path, new TextEncoder().encode(text));

  const ports = [...cluster.indexAddresses, ...cluster.addresses];
  const warning = exposureWarning(
    ports.map(({ port }) => ({ host: options.bind, port })),
    options,
  );
  if (warning !== undefined) process.stderr.write(`flare: ${warning}\n`);
  for (const line of firstScreen(cluster, shape, { ...options, httpTokenFile })) say(line);
}

/** The first screen. Programs wait for the line that begins with `ready`. */
function firstScreen(
  cluster: Cluster,
  shape: ClusterShape,
  options: Pick<UpOptions, "dataDir" | "storage" | "fsync" | "enableSsl" | "httpPort" | "httpBind" | "httpTokenFile">,
): string[] {
  const paint = paintFor();
  const indexServers = cluster.indexAddresses.map(({ host, port }) => formatHostPort(host, port));
  const [first] = cluster.addresses;
  const kept = options.storage === "memory" ? "in memory only, nothing is kept" : `${options.storage}, fsync ${options.fsync}`;
  const flare = ownCommand();
  const words = "set greeting 0 0 5\\r\\nhello\\r\\nget greeting\\r\\nquit\\r\\n";
  const isPlain = first !== undefined && !options.enableSsl;
  const client = isPlain ? [`  printf '${words}' | nc ${textHost(first.host)} ${first.port}`] : [];
  return [
    paint(`Flare ${VERSION} on ${runtimeText()}: ${shapeText(shape)}`, "title"),
    `data in ${resolve(options.dataDir)} (${kept})`,
    ...indexServers.map((index) => `index server on ${index}`),
    ...cluster.addresses.map(({ host, port }) => `node server on ${formatHostPort(host, port)}`),
    ...httpLines(cluster, options),
    paint("try, in another terminal:", "title"),
    ...client,
    `  ${flare} list --index-server ${indexServers.join(",")}`,
    `to stop: Ctrl-C; to start the same cluster again: ${flare} up --data-dir ${shellWord(options.dataDir)}`,
    paint("ready: connect any memcached client to any of the node servers; Ctrl-C stops", "good"),
  ];
}

/** Where HTTP is: what Prometheus and probes need. */
function httpLines(
  { indexAddresses, addresses }: Cluster,
  { httpPort, httpBind, httpTokenFile, enableSsl }: Pick<UpOptions, "enableSsl" | "httpPort" | "httpBind" | "httpTokenFile">,
): string[] {
  if (httpPort === 0) return [];
  const url = httpUrl({ host: httpBind, port: httpPort }, enableSsl);
  const [first, last] = [httpPort + indexAddresses.length, httpPort + indexAddresses.length + addresses.length - 1];
  const nodes = first === last ? `the node's at port ${first}` : `the nodes' at ports ${first} to ${last}`;
  return [
    `the cluster in a browser: ${url}/`,
    `token for changes over HTTP: ${tokenIn(httpTokenFile)} (in ${resolve(httpTokenFile)})`,
    `HTTP on ${url}/metrics, /readyz and /livez for the index server, ${nodes}`,
  ];
}

function shapeText({ partitions, slaves, nodes }: ClusterShape): string {
  const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
  const each = partitions === 1 ? "" : " each";
  return `${count(nodes, "node")}, ${count(partitions, "partition")} with ${count(slaves, "slave")}${each}`;
}

function textHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** The command that started this program, for the reader to repeat. */
function ownCommand(): string {
  const script = process.argv[1] ?? "flare";
  if (basename(script) === "flare") return "flare";
  const path = shellWord(relative(process.cwd(), script));
  if ("Deno" in globalThis) return `deno run --allow-all ${path}`;
  if ("Bun" in globalThis) return `bun ${path}`;
  return ["node", ...process.execArgv.map(shellWord), path].join(" ");
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function runtimeText(): string {
  const { bun, deno, node } = process.versions as Readonly<Record<string, string>>;
  if ("Bun" in globalThis) return `Bun ${bun}`;
  if ("Deno" in globalThis) return `Deno ${deno}`;
  return `Node ${node}`;
}
