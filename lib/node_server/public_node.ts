/** What a program sees of a node server that it has started. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { NodeRole } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Address } from "../runtime/runtime.ts";
import type { NodeServerOptions } from "./node_server_options.ts";

/** How a node server stops. */
export interface StopOptions {
  /**
   * Tell the index server first, so that a slave takes over; default true. False: the cluster as a whole stops and nobody
   * shall take over.
   */
  readonly announce?: boolean;
}

/** A running node server. */
export interface NodeServer extends AsyncDisposable {
  /**
   * `host:port` by which the cluster knows this node, no brackets around an IPv6 address; most memcached clients take it as it
   * is.
   */
  readonly key: string;
  /** `address` as a URL: `memcached://127.0.0.1:12121`, `memcacheds://` where the node speaks TLS. */
  readonly url: string;
  /** Where clients connect: the name and the port by which the cluster knows this node. */
  readonly address: HostPort;
  /** Where it listens: at `bind`, then at the UNIX socket, the TLS port and the admin address if there are such. */
  readonly addresses: readonly [Address, ...Address[]];
  /** The role in the node map in use; undefined while the node is not in it. */
  readonly role: NodeRole | undefined;
  /** The node map in use. */
  readonly nodeMap: NodeMap;
  /** How many items this node holds. */
  readonly items: number;
  /**
   * Takes new values of the options that may change while it runs; the others keep theirs. Reads the files again that options
   * name: users and certificates.
   * @throws FlareError INVALID_OPTION
   */
  reload(options?: NodeServerOptions): Promise<void>;
  /**
   * Stops in order: requests received are answered, everything is written. Calling it again waits for the same end.
   * @throws FlareError IO_ERROR | DISK_FULL when what it holds cannot be written
   */
  stop(options?: StopOptions): Promise<void>;
  /** The same as `stop()`, at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
