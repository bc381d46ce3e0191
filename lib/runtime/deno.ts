/** The runtime of Deno 2. Uses its `node:net`, not `Deno.listen`, where connections block each other when there are many. */

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
import { DENO_BACKLOG_MAX, DENO_DESCRIPTORS_FEW } from "./sockets/socket_limits.ts";

export function createDenoRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createProgramLog(options);
  const process = createProcessInfo();
  const hasFewDescriptors = (process.descriptorsMax() ?? Number.POSITIVE_INFINITY) < DENO_DESCRIPTORS_FEW;
  const backlogMax = hasFewDescriptors ? DENO_BACKLOG_MAX : undefined;
  return {
    name: "deno",
    transport: new NamedTransport(
      new NodeTransport(log, { pausesBelowTls: true, backlogMax }),
      new NameCache(NODE_CLOCK, createNameLookup()),
      NODE_CLOCK,
    ),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process,
    http: new NodeHttp(),
  };
}
