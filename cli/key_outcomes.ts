/** What verbs for several keys say of each of them: one that fails does not hide what happened to the others. */

import process from "node:process";
import { FlareError } from "../lib/base/errors.ts";
import { ExitStatus } from "./main.ts";

/** A key, with the answer or with why there is none. */
export type KeyOutcome<T> = { readonly key: string; readonly answer: T } | { readonly key: string; readonly error: FlareError };

/**
 * Asks for every key, and gives the outcomes in their order.
 * @throws FlareError if no key has an answer, all for the same reason
 */
export async function askForEach<T>(keys: readonly string[], ask: (key: string) => Promise<T>): Promise<KeyOutcome<T>[]> {
  const outcomes = await Promise.all(
    keys.map(async (key): Promise<KeyOutcome<T>> => {
      try {
        return { key, answer: await ask(key) };
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        return { key, error };
      }
    }),
  );
  const [first] = outcomes;
  if (first === undefined || !("error" in first)) return outcomes;
  if (outcomes.every((each) => "error" in each && each.error.message === first.error.message)) throw first.error;
  return outcomes;
}

/** Says which keys are missing and which have no answer, and why; either makes the verb fail. */
export function sayFailures<T>(outcomes: readonly KeyOutcome<T>[], isMissing: (answer: T) => boolean): void {
  for (const each of outcomes) {
    if ("error" in each) sayFailure(`key "${each.key}": ${each.error.message}`);
    else if (isMissing(each.answer)) sayFailure(`key "${each.key}" not found`);
  }
}

function sayFailure(text: string): void {
  process.stderr.write(`flare: ${text}\n`);
  process.exitCode = ExitStatus.failed;
}
