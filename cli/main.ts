/**
 * The start and end of each program: one line and an exit status for errors that a user can fix, and the signals that stop or
 * reload a running server.
 */

import process from "node:process";
import { CommanderError } from "commander";
import { FlareError } from "../lib/base/errors.ts";

/** Exit statuses. */
export const ExitStatus = { ok: 0, failed: 1, usage: 2 } as const;

/** Signals this close to the first count as the same one: a terminal and npm both pass Ctrl-C on. */
const sameSignalMs = 500;

const keepAliveMs = 3_600_000;

/** Runs a program to its end; errors become a line on stderr and the exit status. Bugs are rethrown, with their stack trace. */
export async function runMain(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? ExitStatus.ok : ExitStatus.usage;
    } else if (error instanceof FlareError) {
      process.stderr.write(`${name}: ${error.message}\n`);
      process.exit(error.code === "INVALID_OPTION" ? ExitStatus.usage : ExitStatus.failed);
    } else {
      throw error;
    }
  }
}

/** What a program does with signals. */
export interface SignalActions {
  /** On the first SIGTERM or SIGINT. The process ends with status 0 when it is done, 1 when it fails. */
  stop(): Promise<void>;
  /** On SIGHUP. */
  reload?(): Promise<void>;
}

/**
 * Handles SIGTERM, SIGINT (a second one ends the process at once) and SIGHUP. From here on the process runs until one of them,
 * or an error, ends it.
 */
export function handleSignals(name: string, actions: SignalActions): void {
  // The library's timers do not keep the process alive: without this one it could exit in the middle of a start or stop.
  setInterval(() => {}, keepAliveMs);
  let stoppingSinceMs: number | undefined;
  const stop = (): void => {
    const nowMs = performance.now();
    if (stoppingSinceMs === undefined) {
      stoppingSinceMs = nowMs;
      actions.stop().then(
        () => process.exit(ExitStatus.ok),
        (error: unknown) => fail(name, error),
      );
    } else if (nowMs - stoppingSinceMs > sameSignalMs) {
      process.stderr.write(`${name}: stopped by a second signal\n`);
      process.exit(ExitStatus.failed);
    }
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const { reload } = actions;
  process.on("SIGHUP", () => {
    reload?.().catch((error: unknown) => fail(name, error));
  });
}

function fail(name: string, error: unknown): void {
  process.stderr.write(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(ExitStatus.failed);
}
