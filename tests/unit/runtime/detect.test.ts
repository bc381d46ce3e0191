/**
 * The adapter that is picked is that of the runtime at work.
 *
 * Covers lib/runtime/bun.ts, lib/runtime/deno.ts and lib/runtime/nodejs.ts.
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { detectRuntime } from "../../../lib/runtime/detect.ts";

describe("detectRuntime", () => {
  it("picks the adapter of what runs this", () => {
    const { bun, deno } = process.versions;
    const expected = bun !== undefined ? "bun" : deno !== undefined ? "deno" : "nodejs";
    assertEquals(detectRuntime().name, expected);
  });
});
