/**
 * The kept inputs: one file per target in `corpus/`, each input with a description. Bytes are written as the characters with
 * the same numbers. Findings of the fuzzer are added by hand, so that the ordinary tests always run them.
 */

import { existsSync } from "node:fs";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";

/** One kept input. */
export interface CorpusEntry {
  /** What it shows, in a few words. */
  readonly about: string;
  /** Decides what is not in the input, such as where it is cut; without it several are tried. */
  readonly seed?: string;
  readonly input: string;
}

/** The kept inputs of a target. */
export function corpusOf(target: string): readonly CorpusEntry[] {
  const path = `tests/fuzz/corpus/${target}.json`;
  return existsSync(repositoryRoot + path) ? (JSON.parse(readRepositoryFile(path)) as CorpusEntry[]) : [];
}

/** The bytes of an entry. */
export function bytesOf(entry: CorpusEntry): Uint8Array {
  return fromLatin1(entry.input);
}

/** An entry as it belongs into the file of its target. */
export function entryText(about: string, seed: string, input: Uint8Array): string {
  return JSON.stringify({ about, seed, input: latin1(input) } satisfies CorpusEntry);
}
