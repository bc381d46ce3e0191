/**
 * Asking before something is done that cannot be undone. Without a terminal there is nobody to ask, and then the answer
 * is no: scripts say `--force`, or `--yes`.
 */

import process from "node:process";
import { createInterface } from "node:readline/promises";
import { FlareError } from "../lib/base/errors.ts";

/** Whoever can be asked. */
export interface Terminal {
  /** False when nobody is there. */
  readonly present: boolean;
  /** Puts a question and returns the line answered. */
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
 * @param option what makes the question needless
 * @throws FlareError REFUSED if it is anything else, or nobody can be asked
 */
export async function confirm(question: string, terminal: Terminal, option = "--force"): Promise<void> {
  if (!terminal.present) {
    throw new FlareError("REFUSED", `nothing was changed: without a terminal to ask, ${option} is needed`);
  }
  if (!isYes(await terminal.ask(`${question} (y/n): `))) throw new FlareError("REFUSED", "nothing was changed");
}

/** Whether the answer to a question is yes; no if nobody can be asked. */
export async function isWanted(question: string, terminal: Terminal): Promise<boolean> {
  return terminal.present && isYes(await terminal.ask(`${question} (y/n): `));
}

function isYes(answer: string): boolean {
  return ["y", "yes"].includes(answer.trim().toLowerCase());
}
