/** Talking to a server on a connection of its own: no other request delays it, or breaks it. */

import type { HostPort } from "../../base/host_port.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { WorkerRegistry, WorkerType } from "../worker.ts";
import { Peer } from "./peer.ts";
import type { PeerOptions } from "./peer_link.ts";

/**
 * Opens a connection for `talk` and closes it when that has ended.
 * @param workers where the connection is listed; absent: nowhere
 * @throws what `talk` throws
 */
export async function onOwnConnection<T>(
  runtime: Runtime,
  { host, port }: HostPort,
  options: PeerOptions,
  talk: (peer: Peer) => Promise<T>,
  workers: WorkerRegistry = new WorkerRegistry(),
): Promise<T> {
  const peer = new Peer(runtime, { host, port }, WorkerType.controller, workers, options);
  try {
    return await talk(peer);
  } finally {
    peer.close();
  }
}
