/**
 * The runtime of Deno 2. Its `node:net` is used, not `Deno.listen`, which lets connections wait for each other when there
 * are many.
 */

import { createCryptoRandom } from "./crypto_random.ts";
import { NODE_CLOCK } from "./node_clock.ts";
import { NodeFileSystem } from "./node_files.ts";
import { NodeTransport } from "./node_net.ts";
import { createProcessInfo } from "./process_info.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeOptions } from "./runtime_options.ts";
import { createStderrLog } from "./stderr_log.ts";

export function createDenoRuntime(options: RuntimeOptions = {}): Runtime {
  const log = createStderrLog(options);
  return {
    name: "deno",
    transport: new NodeTransport(log, { pausesBelowTls: true }),
    clock: NODE_CLOCK,
    random: createCryptoRandom(),
    files: new NodeFileSystem(),
    log,
    process: createProcessInfo(),
  };
}
