/** A program's interface to a node server that it has started. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { NodeRole } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Address } from "../runtime/runtime.ts";
import type { NodeServerOptions } from "./node_server_options.ts";

/** Options for stopping a node server. */
export interface StopOptions {
  /**
   * Tell the index server first, so that a slave takes over; default true. False if the whole cluster stops and no slave should
   * take over.
   */
  readonly announce?: boolean;
}

/** A running node server. */
export interface NodeServer extends AsyncDisposable {
  /**
   * The node's `host:port` in the cluster, without brackets around an IPv6 address; most memcached clients accept it as it is.
   */
  readonly key: string;
  /** `address` as a URL: `memcached://127.0.0.1:12121`, `memcacheds://` if the node speaks TLS. */
  readonly url: string;
  /** The address for clients: the node's name and port in the cluster. */
  readonly address: HostPort;
  /** The addresses it listens on: `bind`, then the UNIX socket, the TLS port and the admin address, if configured. */
  readonly addresses: readonly [Address, ...Address[]];
  /** The role in the current node map; undefined while the node is not in it. */
  readonly role: NodeRole | undefined;
  /** The current node map. */
  readonly nodeMap: NodeMap;
  /** The number of items on this node. */
  readonly items: number;
  /**
   * Applies new values of reloadable options, and reloads the files of users and certificates. An option that is not given
   * keeps its value.
   * @throws FlareError INVALID_OPTION, and changes nothing, if a value is invalid or the option's change needs a restart
   */
  reload(options?: NodeServerOptions): Promise<void>;
  /**
   * Stops gracefully: answers the requests received, and writes everything to disk. Further calls wait for the same stop.
   * @throws FlareError IO_ERROR | DISK_FULL if its data cannot be written
   */
  stop(options?: StopOptions): Promise<void>;
  /** The same as `stop()`, at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
