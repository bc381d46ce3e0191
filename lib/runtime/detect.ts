/**
 * Picks the adapter of the runtime that executes this. Only the picked one is loaded.
 */

import { checkFields } from "../base/given_fields.ts";
import type { Runtime } from "./runtime.ts";
import { type RuntimeOptions, runtimeFields } from "./runtime_options.ts";

/** The runtime this program runs on. @throws FlareError INVALID_OPTION */
export async function detectRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  checkFields(runtimeFields, options);
  if ("Bun" in globalThis) return (await import("./bun.ts")).createBunRuntime(options);
  if ("Deno" in globalThis) return (await import("./deno.ts")).createDenoRuntime(options);
  return (await import("./nodejs.ts")).createNodejsRuntime(options);
}
