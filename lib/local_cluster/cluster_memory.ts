/**
 * What the data directory of a local cluster remembers, and the shape of a start from that and the options. The node map has
 * the assigned roles; beside it are the requested shape (so that an interrupted start can continue) and the addresses of the
 * nodes.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { parseConfigFile } from "../base/config_file.ts";
import { FlareError } from "../base/errors.ts";
import { PORT_MAX } from "../base/host_port.ts";
import { parseWholeNumber } from "../base/whole_number.ts";
import { type ClusterNode, NodeRole } from "../cluster/node.ts";
import { FileCoordinator } from "../index_server/file_coordinator.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type ClusterOptions, clusterOptionTable } from "./cluster_options.ts";

/** The numbers of partitions, slaves and nodes. */
export interface ClusterShape {
  readonly partitions: number;
  /** Per partition. */
  readonly slaves: number;
  readonly nodes: number;
}

/** What a directory remembers. */
export interface ClusterMemory {
  /** The directory was used before. */
  readonly known: boolean;
  /** The last requested shape. */
  readonly partitions: number;
  readonly slaves: number;
  /** `host:port` of each node, by its number. */
  readonly keys: readonly string[];
  /** Masters and slaves in the node map. */
  readonly members: readonly ClusterNode[];
  /** It contains nodes' data. */
  readonly holdsData: boolean;
}

/** A new directory, or none. */
export const NO_MEMORY: ClusterMemory = { known: false, partitions: 1, slaves: 0, keys: [], members: [], holdsData: false };

/** The paths of a cluster's files. */
export interface ClusterPaths {
  readonly lock: string;
  readonly shape: string;
  readonly nodes: string;
  readonly index: string;
  readonly map: string;
  node(number: number): string;
}

export function clusterPaths({ files }: Runtime, dataDir: string): ClusterPaths {
  const index = files.join(dataDir, "index");
  return {
    lock: files.join(dataDir, "cluster.lock"),
    shape: files.join(dataDir, "shape"),
    nodes: files.join(dataDir, "nodes"),
    index,
    map: files.join(index, "flare.xml"),
    node: (number) => files.join(dataDir, `node-${number}`),
  };
}

/** @throws FlareError CORRUPT if the node map of a complete cluster is missing | IO_ERROR */
export async function readMemory(runtime: Runtime, paths: ClusterPaths): Promise<ClusterMemory> {
  const { files } = runtime;
  const { map, lost } = await new FileCoordinator(runtime, paths.index).restore();
  if (lost !== undefined) throw new FlareError("CORRUPT", lost);
  const members = map.nodes.filter(({ role }) => role !== NodeRole.proxy);
  const shape = await readShape(runtime, paths);
  if (shape.formed && members.length === 0) {
    const text = `"${paths.map}" has no masters, although "${paths.shape}" says that the cluster was complete`;
    throw new FlareError("CORRUPT", `${text}: restore the node map from a copy`);
  }
  const stored = await files.read(paths.nodes);
  const keys = stored === undefined ? [] : latin1(stored).trim().split("\n");
  const holdsData = (await files.read(files.join(paths.node(0), "FORMAT"))) !== undefined;
  return {
    known: shape.known || keys.length > 0,
    partitions: shape.partitions,
    slaves: shape.slaves,
    keys,
    members,
    holdsData,
  };
}

/**
 * The shape of a start with these options, and whether its directory remembered one.
 * @throws FlareError as `readMemory` and `chooseShape`
 */
export async function plannedShape(
  runtime: Runtime,
  options: ClusterOptions,
): Promise<ClusterShape & { readonly known: boolean }> {
  const memory = options.dataDir ? await readMemory(runtime, clusterPaths(runtime, options.dataDir)) : NO_MEMORY;
  return { ...chooseShape(options, memory), known: memory.known };
}

/**
 * The shape of this start: the requested one, else the previous one. @throws FlareError INVALID_OPTION if they contradict each
 * other
 */
export function chooseShape(options: ClusterOptions, memory: ClusterMemory): ClusterShape {
  const { members, keys } = memory;
  const held = 1 + Math.max(-1, ...members.map(({ partition }) => partition));
  const partitions = options.partitions ?? Math.max(held, memory.partitions);
  if (held > partitions) {
    const text = `option "partitions": the data directory has a cluster of "${held}" partitions`;
    throw new FlareError("INVALID_OPTION", `${text}, not "${partitions}"; a cluster cannot shrink`);
  }
  if (options.storage === "memory" && memory.holdsData) {
    const text = 'option "storage": "memory" would start with nothing, but the data directory holds data';
    throw new FlareError("INVALID_OPTION", `${text}; use another "data-dir"`);
  }
  const slaves = options.slaves ?? memory.slaves;
  // A node of another process may have a role, too: it needs none of our nodes.
  const own = members.filter(({ key }) => keys.includes(key));
  let needed = 0;
  for (let partition = 0; partition < partitions; partition++) {
    needed += Math.max(1 + slaves, own.filter((node) => node.partition === partition).length);
  }
  const nodes = options.nodes || Math.max(needed, keys.length);
  for (const { key, role, partition } of own) {
    if (keys.indexOf(key) < nodes) continue;
    const text = `option "nodes": "${nodes}" omits "${key}", the ${roleName(role)} of partition ${partition}`;
    throw new FlareError("INVALID_OPTION", `${text}, whose data is in this directory; it has ${keys.length} nodes`);
  }
  if (nodes < needed) {
    const text = `option "nodes": "${nodes}" is not enough for ${partitions} partitions with ${slaves} slaves each`;
    throw new FlareError("INVALID_OPTION", `${text}; at least ${needed} are needed`);
  }
  if (options.port && options.port + nodes - 1 > PORT_MAX) {
    throw new FlareError(
      "INVALID_OPTION",
      `option "port": "${options.port}" leaves no room for ${nodes} nodes up to ${PORT_MAX}`,
    );
  }
  const servers = (options.indexCount ?? clusterOptionTable.indexCount.default) + nodes;
  if (options.httpPort && options.httpPort + servers - 1 > PORT_MAX) {
    throw new FlareError(
      "INVALID_OPTION",
      `option "http-port": "${options.httpPort}" leaves no room for ${servers} servers up to ${PORT_MAX}`,
    );
  }
  return { partitions, slaves, nodes };
}

/**
 * Stores the requested shape. @param formed every node has its role
 * @throws FlareError IO_ERROR | DISK_FULL
 */
export async function rememberShape(
  runtime: Runtime,
  paths: ClusterPaths,
  shape: ClusterShape,
  formed: boolean,
): Promise<void> {
  const before = await readShape(runtime, paths);
  if (before.known && before.partitions === shape.partitions && before.slaves === shape.slaves && (before.formed || !formed))
    return;
  const text = `partitions = ${shape.partitions}\nslaves = ${shape.slaves}\nformed = ${formed || before.formed}\n`;
  await runtime.files.replace(paths.shape, fromLatin1(text));
}

async function readShape(
  { files }: Runtime,
  { shape: path }: ClusterPaths,
): Promise<{
  known: boolean;
  partitions: number;
  slaves: number;
  formed: boolean;
}> {
  const bytes = await files.read(path);
  const entries = bytes === undefined ? [] : parseConfigFile(latin1(bytes), path);
  const values = new Map(entries.map(({ name, value }) => [name, value]));
  const number = (name: "partitions" | "slaves"): number => {
    const text = values.get(name) ?? (bytes === undefined ? String(NO_MEMORY[name]) : "");
    const value = parseWholeNumber(text, 9999);
    if (value !== undefined) return value;
    throw new FlareError("CORRUPT", `"${path}" does not say how many ${name} there are`);
  };
  const known = bytes !== undefined;
  return { known, partitions: number("partitions"), slaves: number("slaves"), formed: values.get("formed") === "true" };
}

function roleName(role: NodeRole): string {
  return role === NodeRole.master ? "master" : "slave";
}
