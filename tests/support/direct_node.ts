/** A real node whose sessions a test opens without sockets in between. */

import { assert } from "@std/assert";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { ConnectionHandler } from "../../lib/runtime/runtime.ts";
import { detectRuntime, type NodeServerOptions } from "../../mod.ts";
import { FakeConnection } from "./fake_connection.ts";
import { type Accept, recordedTransport } from "./recorded_transport.ts";

/** Both sides of such a session. */
export interface DirectSession {
  readonly connection: FakeConnection;
  readonly session: ConnectionHandler;
}

export class DirectNode {
  readonly cluster: LocalCluster;
  readonly #accept: Accept;

  private constructor(cluster: LocalCluster, accept: Accept) {
    this.cluster = cluster;
    this.#accept = accept;
  }

  static async start(node: Partial<NodeServerOptions> = {}): Promise<DirectNode> {
    const real = detectRuntime({ logLevel: "error" });
    const { transport, accepts } = recordedTransport(real.transport);
    const cluster = await LocalCluster.start({ ...real, transport }, { logLevel: "error", node });
    const last = accepts.at(-1);
    assert(last !== undefined);
    return new DirectNode(cluster, last);
  }

  /** A session that has got these chunks. */
  open(...chunks: readonly Uint8Array[]): DirectSession {
    const connection = new FakeConnection();
    const session = this.#accept(connection);
    session.onOpen();
    for (const chunk of chunks) session.onData(chunk);
    return { connection, session };
  }

  /** Everything that is answered to these chunks. */
  ask(...chunks: readonly Uint8Array[]): string {
    const { connection, session } = this.open(...chunks);
    session.onClose();
    return connection.text;
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
  }
}
