/**
 * The runtime of Bun: its own sockets, everything else over the `node:` modules it offers.
 */

import { BunTransport } from "./bun_net.ts";
import { createCryptoRandom } from "./crypto_random.ts";
import { NameCache } from "./name_cache.ts";
import { NamedTransport } from "./named_transport.ts";
import { NODE_CLOCK } from "./node_clock.ts";
import { NodeFileSystem } from "./node_files.ts";
import { createProcessInfo } from "./process_info.ts";
import { createProgramLog } from "./program_log.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";
import { createNameLookup } from "./system_names.ts";

export function createBunRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createProgramLog(options);
  return {
    name: "bun",
    transport: new NamedTransport(new BunTransport(log), new NameCache(NODE_CLOCK, createNameLookup()), NODE_CLOCK),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process: createProcessInfo(),
  };
}
