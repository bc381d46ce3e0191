/**
 * Runs the file contract for the runtime that runs the tests, and lets real processes compete for a lock.
 *
 * Covers lib/runtime/files/file_lock.ts and lib/runtime/files/node_files.ts.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { filesSuite } from "./files_suite.ts";

const runtime = detectRuntime();

filesSuite(runtime.name, runtime.files);

const ARGUMENTS = { nodejs: ["--import", "tsx"], bun: ["run"], deno: ["run", "-A", "--no-check"], simulated: [] };

class Holder {
  readonly process: ChildProcessWithoutNullStreams;
  #text = "";
  #told: () => void = () => undefined;

  constructor(path: string) {
    const script = fileURLToPath(new URL("./files_lock_holder.ts", import.meta.url));
    this.process = spawn(process.execPath, [...ARGUMENTS[runtime.name], script, path]);
    this.process.stdout.on("data", (chunk: Uint8Array) => {
      this.#text += new TextDecoder().decode(chunk);
      this.#told();
    });
  }

  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
    const [line, ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return line as string;
  }

  go(): void {
    this.process.stdin.write("go\n");
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }
}

describe(`file locks between processes on ${runtime.name}`, () => {
  it("go to one of several starters, and from a killed owner to the next one", { timeout: 60_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), "flare-lock-"));
    const path = join(directory, "LOCK");
    let owner: Holder | undefined;
    try {
      for (let round = 0; round < 3; round++) {
        const holders = Array.from({ length: 3 }, () => new Holder(path));
        for (const holder of holders) assertEquals(await holder.line(), "waiting");
        // From the second round on, a dead owner's lock lies there.
        await owner?.kill();
        for (const holder of holders) holder.go();
        const answers = await Promise.all(holders.map((holder) => holder.line()));
        assertEquals(answers.toSorted(), ["DATA_DIR_LOCKED", "DATA_DIR_LOCKED", "locked"]);
        owner = holders[answers.indexOf("locked")] as Holder;
        const error = await assertRejects(() => runtime.files.lock(path), FlareError);
        assertEquals(error.message, `"${path}" is locked by process ${owner.process.pid}`);
        for (const holder of holders) if (holder !== owner) await holder.kill();
      }
      await owner?.kill();
      const lock = await runtime.files.lock(path);
      assertEquals(readdirSync(directory), ["LOCK"]);
      await lock.release();
    } finally {
      owner?.process.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
