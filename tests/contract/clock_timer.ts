/**
 * A process of the timer test: sets one timer, has nothing else to do, and says when it has fired. Its arguments are the
 * delay in milliseconds and, maybe, `keeps`.
 */

import process from "node:process";
import { detectRuntime } from "../../lib/runtime/detect.ts";

const [, , delayMs, keeps] = process.argv;

async function main(): Promise<void> {
  const { clock } = detectRuntime();
  clock.setTimer(() => process.stdout.write("fired\n"), Number(delayMs), keeps === "keeps");
  process.stdout.write("set\n");
}

void main();
