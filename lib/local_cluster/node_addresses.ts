/**
 * The addresses of a local cluster's nodes across restarts. The node map identifies nodes by `host:port`; a cluster that
 * restarts on other ports (usually free ones) must still find its nodes in it, so the previous addresses are stored beside the
 * data and replaced by the new ones before the servers start.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { parseIpAddress } from "../base/ip_address.ts";
import { createNode, nodeKey } from "../cluster/node.ts";
import { createNodeMap } from "../cluster/node_map.ts";
import { FileCoordinator } from "../index_server/file_coordinator.ts";
import type { Runtime } from "../runtime/runtime.ts";

/**
 * The range of free ports: below the ephemeral port ranges (Linux 32768 and up, most others 49152 and up), so that no outgoing
 * connection takes one before its node listens.
 */
const FREE_PORT_MIN = 26000;
const FREE_PORT_COUNT = 6000;

const wildcards = ["0.0.0.0", "::"].map((text) => parseIpAddress(text) as Uint8Array);

/**
 * Finds `count` free ports. If another program takes one before it is used, the start fails with an error. @throws FlareError
 * ADDRESS_IN_USE if there are not enough
 */
export async function findFreePorts(runtime: Runtime, host: string, count: number): Promise<number[]> {
  const first = runtime.random.uint32();
  const ports: number[] = [];
  const listeners = [];
  try {
    for (let tried = 0; ports.length < count; tried++) {
      const port = FREE_PORT_MIN + ((first + tried) % FREE_PORT_COUNT);
      try {
        listeners.push(await runtime.transport.listen({ host, port }, refuse));
        ports.push(port);
      } catch (error) {
        if (!(error instanceof FlareError) || error.code !== "ADDRESS_IN_USE" || tried === FREE_PORT_COUNT) throw error;
      }
    }
  } finally {
    for (const listener of listeners) await listener.close();
  }
  return ports;
}

const refuse = (connection: { destroy(): void }) => ({
  onOpen: () => connection.destroy(),
  onData: () => undefined,
  onDrain: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
});

/**
 * Gives the nodes of a stored cluster their new addresses, by number, and stores these.
 * @param path the file of the addresses
 * @param indexDir the directory of the stored node map
 * @throws FlareError CORRUPT | IO_ERROR | DISK_FULL
 */
export async function renameNodes(
  runtime: Runtime,
  path: string,
  indexDir: string,
  addresses: readonly HostPort[],
): Promise<void> {
  const newKeys = addresses.map(({ host, port }) => nodeKey(host, port));
  const stored = await runtime.files.read(path);
  const oldKeys = stored === undefined ? newKeys : latin1(stored).trim().split("\n");
  // Only proxies are omitted; their entries would stay for ever.
  const gone = oldKeys.slice(newKeys.length);
  const changed = gone.length > 0 || oldKeys.some((key, number) => key !== newKeys[number]);
  if (changed) {
    const coordinator = new FileCoordinator(runtime, indexDir);
    await coordinator.open();
    const { map, token, ...others } = await coordinator.restore();
    const staying = map.nodes.filter(({ key }) => !gone.includes(key));
    const nodes = staying.map((node) => {
      const address = addresses[oldKeys.indexOf(node.key)];
      return address === undefined ? node : createNode({ ...node, host: address.host, port: address.port });
    });
    const record = {
      ...{ version: map.version, term: others.term, atMs: runtime.clock.nowMs(), server: "flare up" },
      cause: "the nodes have other addresses",
      events: [`${oldKeys.join(", ")} -> ${newKeys.join(", ")}`],
    };
    await coordinator.store({ ...others, map: createNodeMap(map.version, nodes, map.nextThreadType) }, token, record);
    await coordinator.close();
  }
  if (stored === undefined || changed || oldKeys.length !== newKeys.length) await rememberNodes(runtime, path, addresses);
}

/** Stores the addresses of a cluster's nodes. @throws FlareError IO_ERROR | DISK_FULL */
export async function rememberNodes(runtime: Runtime, path: string, addresses: readonly HostPort[]): Promise<void> {
  const keys = addresses.map(({ host, port }) => nodeKey(host, port));
  await runtime.files.replace(path, fromLatin1(`${keys.join("\n")}\n`));
}

/** Whether this is the wildcard address, which cannot be used to reach the machine. */
export function isWildcard(address: string): boolean {
  const parsed = parseIpAddress(address.replace(/^\[(.*)\]$/, "$1"));
  return parsed !== undefined && wildcards.some((wildcard) => wildcard.every((byte, at) => byte === parsed[at]));
}
