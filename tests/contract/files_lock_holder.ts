/**
 * A process of the lock test: waits until told, tries to take the lock, says how that went, and holds it until it is killed.
 */

import process from "node:process";
import { FlareError } from "../../lib/base/errors.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";

const path = process.argv[2] as string;

async function main(): Promise<void> {
  const { files } = detectRuntime();
  process.stdout.write("waiting\n");
  process.stdin.once("data", async () => {
    try {
      await files.lock(path);
      process.stdout.write("locked\n");
    } catch (error) {
      process.stdout.write(`${error instanceof FlareError ? error.code : error}\n`);
    }
  });
}

void main();
