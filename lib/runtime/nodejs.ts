/**
 * The runtime of Node 20 and later. Named `nodejs` because *node* always means a Flare node here.
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

export function createNodejsRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createProgramLog(options);
  return {
    name: "nodejs",
    transport: new NamedTransport(new NodeTransport(log), new NameCache(NODE_CLOCK, createNameLookup()), NODE_CLOCK),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process: createProcessInfo(),
  };
}
