/**
 * The runtime of Bun: its own sockets, everything else over the `node:` modules it offers.
 */

import { BunTransport } from "./bun_net.ts";
import { createCryptoRandom } from "./crypto_random.ts";
import { NODE_CLOCK } from "./node_clock.ts";
import { NodeFileSystem } from "./node_files.ts";
import { createProcessInfo } from "./process_info.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";
import { createStderrLog } from "./stderr_log.ts";

export function createBunRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createStderrLog(options);
  return {
    name: "bun",
    transport: new BunTransport(log),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process: createProcessInfo(),
  };
}
