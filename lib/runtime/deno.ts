/**
 * The runtime of Deno 2. Its `node:net` is used, not `Deno.listen`, which lets connections wait for each other when there
 * are many.
 */

import { createCryptoRandom } from "./crypto_random.ts";
import { NameCache } from "./name_cache.ts";
import { NamedTransport } from "./named_transport.ts";
import { NODE_CLOCK } from "./node_clock.ts";
import { NodeFileSystem } from "./node_files.ts";
import { NodeTransport } from "./node_net.ts";
import { createProcessInfo } from "./process_info.ts";
import { createProgramLog } from "./program_log.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";
import { createNameLookup } from "./system_names.ts";

export function createDenoRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createProgramLog(options);
  return {
    name: "deno",
    transport: new NamedTransport(
      new NodeTransport(log, { pausesBelowTls: true }),
      new NameCache(NODE_CLOCK, createNameLookup()),
      NODE_CLOCK,
    ),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process: createProcessInfo(),
  };
}
