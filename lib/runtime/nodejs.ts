/**
 * The runtime of Node 20 and later. Named `nodejs` because *node* always means a Flare node here.
 */

import { NodeFileSystem } from "./files/node_files.ts";
import { NodeHttp } from "./http/node_http.ts";
import { NameCache } from "./names/name_cache.ts";
import { NamedTransport } from "./names/named_transport.ts";
import { createNameLookup } from "./names/system_names.ts";
import { createCryptoRandom } from "./process/crypto_random.ts";
import { NODE_CLOCK } from "./process/node_clock.ts";
import { createProcessInfo } from "./process/process_info.ts";
import { createProgramLog } from "./process/program_log.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";
import { NodeTransport } from "./sockets/node_net.ts";

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
    http: new NodeHttp(),
  };
}
