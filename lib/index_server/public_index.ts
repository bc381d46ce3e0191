/** A program's interface to an index server that it has started. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Address } from "../runtime/runtime.ts";
import type { IndexServerOptions } from "./index_server_options.ts";

/** A running index server. */
export interface IndexServer extends AsyncDisposable {
  /** The address for nodes and operators: the server's name and port. */
  readonly address: HostPort;
  /** The addresses it listens on: `bind`, then the UNIX socket and the admin address, if configured. */
  readonly addresses: readonly [Address, ...Address[]];
  /** The node map. */
  readonly nodeMap: NodeMap;
  /**
   * Applies new values of reloadable options, and reloads the files of users and certificates. An option that is not given
   * keeps its value.
   * @throws FlareError INVALID_OPTION, and changes nothing, if a value is invalid or the option's change needs a restart
   */
  reload(options?: IndexServerOptions): Promise<void>;
  /** Answers the requests received, then closes everything. The nodes keep working with their map. */
  stop(): Promise<void>;
  /** The same as `stop()`, at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
