/**
 * The interface of a fuzz target: a source of inputs, and a check of one input. An input is bytes; all other choices (where
 * they are cut, who reads slowly) come from the generator that is passed in, so that an input and a seed determine everything.
 */

import type { SimRandom } from "../../lib/testing/sim_random.ts";

/** One thing that is fuzzed. */
export interface FuzzTarget {
  readonly name: string;
  /** What must hold for any input, in a sentence. */
  readonly oracle: string;
  /** Gets ready; `close` of what it gives ends it. */
  open(): Promise<FuzzSubject>;
}

/** A target that is ready. */
export interface FuzzSubject {
  /** An input as its grammar makes them, well-formed or nearly so. */
  generate(random: SimRandom): Uint8Array;
  /**
   * Tries an input. Gives words that tell what it met: the runner keeps inputs that met something new.
   * @throws Error when what must hold does not
   */
  run(input: Uint8Array, random: SimRandom): Met | Promise<Met>;
  /** False: inputs are taken as they are made, because the oracle has to know what they say. Default true. */
  readonly mutable?: boolean;
  /** False: memory may grow for reasons that are not ours. Default true. */
  readonly judgesMemory?: boolean;
  close(): Promise<void>;
}

/** What an input met: answers, states, refusals; each a word of a small set. */
export type Met = ReadonlySet<string>;
