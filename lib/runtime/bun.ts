/** The runtime of Bun: its own sockets, everything else through its `node:` modules. */

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
import { BunTransport } from "./sockets/bun_net.ts";

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
    http: new NodeHttp(),
  };
}
