/**
 * A full disk: writes are refused with a clear reason, reads continue, no acknowledged write is lost, and when there is space
 * again everything works, without a restart and after a `kill -9` in the middle of it.
 */

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clientRuntime, NodeDaemon, waitUntil } from "../support/daemon.ts";
import type { LineClient } from "../support/line_client.ts";
import { skipUnless } from "../support/skip.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

const DISK_MIB = 130;
/** These take much of the disk until they are removed. */
const BALLAST = ["ballast-1", "ballast-2"] as const;
const BALLAST_BYTES = 50 * 1048576;
const VALUE_BYTES = 20000;
const WRITES_MAX = 5000;
const REFUSALS = 20;
const REFUSAL_PAUSE_MS = 100;
/** Nobody waits for room that the disk does not have; far below the ten seconds a write waits for a slow engine. */
const REFUSAL_MS_MAX = 5000;

/** In the words of our own files and of LevelDB. */
const NO_SPACE = /no space left/i;

const skip = skipUnless(process.platform === "linux" && process.getuid?.() === 0, "root, to mount a small disk,");

describe("a full disk", { skip }, () => {
  for (const fsync of ["os", "always"] as const) {
    it(`refuses writes, keeps what it has and recovers (fsync ${fsync})`, async () => {
      await withSmallDisk(async (disk) => {
        for (const name of BALLAST) writeFileSync(join(disk, name), new Uint8Array(BALLAST_BYTES));
        const node = await NodeDaemon.start(clientRuntime(), join(disk, "node"), [
          ...["--fsync", fsync, "--memory-limit", "16", "--log-segment-size", "1", "--checkpoint-interval", "1"],
        ]);
        try {
          const model = new Map<string, string>();
          let client = await node.connect();
          assertMatch(await fill(client, model, "first"), /^SERVER_ERROR .*no space left/);
          await assertHolds(client, model);

          rmSync(join(disk, BALLAST[0]));
          await waitUntil(async () => (await client.ask(set("again", "1"))) === "STORED", "writes are taken again");
          model.set("again", "1");
          await assertHolds(client, model);

          assertMatch(await fill(client, model, "second"), /^SERVER_ERROR .*no space left/);
          client.close();
          await node.end("SIGKILL");
          // Without any room it may be unable to start, or wait for it, but then it says why.
          const starting = node.start().then(
            () => "serves",
            (error: Error) => error.message,
          );
          const waiting = waitUntil(() => NO_SPACE.test(node.program.output), "an end of the start").then(
            () => node.program.output,
            () => "neither serves nor says why not",
          );
          const outcome = await Promise.race([starting, waiting]);
          assert(outcome === "serves" || NO_SPACE.test(outcome), outcome);
          if (node.isRunning) await node.end("SIGKILL");
          await starting;
          rmSync(join(disk, BALLAST[1]));
          await node.start();
          client = await node.connect();
          await assertHolds(client, model);
          assertEquals(await client.ask(set("more", "1")), "STORED");
          client.close();
        } catch (error) {
          console.error(node.program.output);
          throw error;
        } finally {
          await node.clear();
        }
      });
    });
  }
});

function set(key: string, value: string): string {
  return `set ${key} 0 0 ${value.length}\r\n${value}\r\n`;
}

/** Writes new keys until several in a row are refused; the model has those that were stored. Gives the last refusal. */
async function fill(client: LineClient, model: Map<string, string>, prefix: string): Promise<string> {
  let refused = 0;
  for (let number = 0; number < WRITES_MAX; number++) {
    const key = `${prefix}-${number}`;
    const value = `${key}:${String.fromCharCode(97 + (number % 26)).repeat(VALUE_BYTES)}`;
    const startMs = performance.now();
    const answer = await client.ask(set(key, value));
    if (answer === "STORED") {
      model.set(key, value);
      refused = 0;
      continue;
    }
    refused++;
    const elapsedMs = performance.now() - startMs;
    assert(elapsedMs < REFUSAL_MS_MAX, `refused after ${elapsedMs} ms: ${answer}`);
    if (refused === REFUSALS) return answer;
    // A checkpoint may still make room.
    await new Promise((resolve) => setTimeout(resolve, REFUSAL_PAUSE_MS));
  }
  throw new Error(`${WRITES_MAX} writes fitted on the disk`);
}

async function assertHolds(client: LineClient, model: ReadonlyMap<string, string>): Promise<void> {
  const found = await client.gets([...model.keys()]);
  for (const [key, value] of model) assert(found.get(key)?.value === value, `"${key}" is lost`);
  assertEquals(found.size, model.size);
}

async function withSmallDisk(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = makeTemporaryDirectory();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", directory]);
  try {
    await test(directory);
  } finally {
    execFileSync("umount", ["-l", directory]);
    removeTemporaryDirectory(directory);
  }
}
