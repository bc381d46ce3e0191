/**
 * Selects the adapter for the current runtime. Each adapter uses its runtime's globals only when it is used, so all of them can
 * be loaded anywhere.
 */

import { checkFields } from "../base/given_fields.ts";
import { createBunRuntime } from "./bun.ts";
import { createDenoRuntime } from "./deno.ts";
import { createNodejsRuntime } from "./nodejs.ts";
import type { Runtime } from "./runtime.ts";
import { type RuntimeOptions, runtimeFields } from "./runtime_options.ts";

/**
 * The runtime this program runs on.
 * @throws FlareError INVALID_OPTION | IO_ERROR (the log file)
 *
 * @example
 * ```ts
 * import { detectRuntime, startCluster } from "flare-kv";
 *
 * await using cluster = await startCluster({ runtime: detectRuntime({ logLevel: "error" }) });
 * using client = cluster.client();
 * console.log(await client.set("greeting", "hello")); // STORED
 * ```
 */
export function detectRuntime(options: RuntimeOptions = {}): Runtime {
  checkFields(runtimeFields, options);
  if ("Bun" in globalThis) return createBunRuntime(options);
  if ("Deno" in globalThis) return createDenoRuntime(options);
  return createNodejsRuntime(options);
}
