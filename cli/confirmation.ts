/** Confirmation of irreversible actions. Without a terminal the answer is no: scripts use `--force` or `--yes`. */

import process from "node:process";
import { createInterface } from "node:readline/promises";
import { FlareError } from "../lib/base/errors.ts";

/** A terminal for questions. */
export interface Terminal {
  /** False without a terminal. */
  readonly present: boolean;
  /** Asks a question and returns the answer. */
  ask(question: string): Promise<string>;
}

/** The terminal of this process: questions on stderr, answers from stdin. */
export const processTerminal: Terminal = {
  get present() {
    return process.stdin.isTTY === true;
  },
  async ask(question) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await lines.question(question);
    } finally {
      lines.close();
    }
  },
};

/**
 * Resolves if the answer is yes.
 * @param option the option that skips the question
 * @throws FlareError REFUSED for any other answer, or without a terminal
 */
export async function confirm(question: string, terminal: Terminal, option = "--force"): Promise<void> {
  if (!terminal.present) {
    throw new FlareError("REFUSED", `nothing was changed: without a terminal ${option} is required`);
  }
  if (!isYes(await terminal.ask(`${question} (y/n): `))) throw new FlareError("REFUSED", "nothing was changed");
}

/** Whether the answer to a question is yes; no without a terminal. */
export async function isWanted(question: string, terminal: Terminal): Promise<boolean> {
  return terminal.present && isYes(await terminal.ask(`${question} (y/n): `));
}

function isYes(answer: string): boolean {
  return ["y", "yes"].includes(answer.trim().toLowerCase());
}
