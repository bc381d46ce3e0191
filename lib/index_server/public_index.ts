/** What a program sees of an index server that it has started. Types only. */

import type { HostPort } from "../base/host_port.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { Address } from "../runtime/runtime.ts";
import type { IndexServerOptions } from "./index_server_options.ts";

/** A running index server. */
export interface IndexServer extends AsyncDisposable {
  /** Where nodes and operators connect: the name others reach it by, and its port. */
  readonly address: HostPort;
  /** Where it listens: at `bind`, then at the UNIX socket and the admin address if there are such. */
  readonly addresses: readonly [Address, ...Address[]];
  /** The node map. */
  readonly nodeMap: NodeMap;
  /**
   * Takes new values of the options that may change while it runs; the others keep theirs. Reads the files again that options
   * name: users and certificates.
   * @throws FlareError INVALID_OPTION
   */
  reload(options?: IndexServerOptions): Promise<void>;
  /** Answers what was received, then closes everything. The nodes go on with the map they have. */
  stop(): Promise<void>;
  /** The same as `stop()`, at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
