/**
 * Runs one target: generates inputs (from its grammar, or by mutating inputs with new outcomes), runs them, and shrinks
 * failures. For a given program the inputs depend only on the seed.
 */

import { SimRandom } from "../../lib/testing/sim_random.ts";
import { bytesOf, corpusOf, entryText } from "./corpus.ts";
import type { FuzzSubject, FuzzTarget } from "./fuzz_target.ts";
import { heldBytes } from "./held_bytes.ts";
import { mutate } from "./mutations.ts";
import { shrink } from "./shrink.ts";

/** Inputs kept for being damaged further. */
const POOL_MAX = 400;
/** Executions between two looks at the clock. */
const BATCH = 20;
/** After this part of a run memory has settled; what it grows by from there must stay below the bound. */
const SETTLED_PART = 0.3;
const GROWTH_BYTES_MAX = 64 * 1048576;
/** How many seeds an entry of the corpus without one is tried with. */
const CORPUS_SEEDS = 4;

/** How long to go on: whichever ends first. */
export interface FuzzLimits {
  readonly seconds: number;
  readonly executions?: number;
}

/** What a run found. */
export interface FuzzReport {
  readonly executions: number;
  readonly seconds: number;
  /** Different things met: a stand-in for coverage. */
  readonly met: number;
  /** Bytes in use when memory had settled, and at the end; undefined if unknown. */
  readonly settledBytes: number | undefined;
  readonly finalBytes: number | undefined;
  /** What failed, with the entry for the corpus; undefined if nothing did. */
  readonly failure: string | undefined;
}

/** Runs the kept inputs of a target. @throws Error naming the first that fails */
export async function runCorpus(target: FuzzTarget): Promise<number> {
  const subject = await target.open();
  let count = 0;
  try {
    for (const entry of corpusOf(target.name)) {
      const seeds = entry.seed === undefined ? Array.from({ length: CORPUS_SEEDS }, (_, i) => `corpus ${i}`) : [entry.seed];
      for (const seed of seeds) {
        const error = await failureOf(subject, bytesOf(entry), seed);
        if (error !== undefined) throw new Error(`${target.name}, "${entry.about}", seed "${seed}": ${error.message}`);
        count++;
      }
    }
  } finally {
    await subject.close();
  }
  return count;
}

/** Fuzzes a target. */
export async function fuzz(target: FuzzTarget, seed: string, limits: FuzzLimits): Promise<FuzzReport> {
  const subject = await target.open();
  try {
    return await new FuzzRun(target, subject, seed, limits).run();
  } finally {
    await subject.close();
  }
}

class FuzzRun {
  readonly #target: FuzzTarget;
  readonly #subject: FuzzSubject;
  readonly #seed: string;
  readonly #limits: FuzzLimits;
  readonly #random: SimRandom;
  readonly #pool: Uint8Array[];
  readonly #met = new Set<string>();
  #executions = 0;

  constructor(target: FuzzTarget, subject: FuzzSubject, seed: string, limits: FuzzLimits) {
    this.#target = target;
    this.#subject = subject;
    this.#seed = seed;
    this.#limits = limits;
    this.#random = new SimRandom(`${target.name} ${seed}`);
    this.#pool = subject.mutable === false ? [] : corpusOf(target.name).map(bytesOf);
  }

  async run(): Promise<FuzzReport> {
    const startMs = performance.now();
    const { seconds, executions = Number.POSITIVE_INFINITY } = this.#limits;
    let settledBytes: number | undefined;
    let failure: string | undefined;
    for (;;) {
      const part = Math.max((performance.now() - startMs) / (seconds * 1000), this.#executions / executions);
      if (part >= 1) break;
      if (part >= SETTLED_PART) settledBytes ??= heldBytes();
      failure = await this.#batch();
      if (failure !== undefined) break;
    }
    const finalBytes = heldBytes();
    const grownBytes = settledBytes === undefined || finalBytes === undefined ? 0 : finalBytes - settledBytes;
    if (grownBytes > GROWTH_BYTES_MAX && this.#subject.judgesMemory !== false) {
      failure ??= `${this.#target.name}, seed "${this.#seed}": memory grew from ${settledBytes} to ${finalBytes} bytes`;
    }
    return {
      executions: this.#executions,
      seconds: (performance.now() - startMs) / 1000,
      met: this.#met.size,
      settledBytes,
      finalBytes,
      failure,
    };
  }

  async #batch(): Promise<string | undefined> {
    for (let i = 0; i < BATCH; i++) {
      const input = this.#next();
      const seed = `${this.#seed}/${this.#executions++}`;
      try {
        const running = this.#subject.run(input, new SimRandom(seed));
        const met = running instanceof Promise ? await running : running;
        if (this.#isNew(met)) this.#keep(input);
      } catch (error) {
        return this.#explain(input, seed, error as Error);
      }
    }
    return undefined;
  }

  #next(): Uint8Array {
    const random = this.#random;
    if (this.#subject.mutable === false || this.#pool.length === 0) return this.#subject.generate(random);
    const base = random.chance(0.5) ? this.#subject.generate(random) : random.pick(this.#pool);
    return random.chance(0.2) ? base : mutate(base, random.pick(this.#pool), random);
  }

  #isNew(met: ReadonlySet<string>): boolean {
    const before = this.#met.size;
    // A copy: what was cut out of a long text would keep all of it.
    for (const word of met) if (!this.#met.has(word)) this.#met.add([...word].join(""));
    return this.#met.size > before;
  }

  #keep(input: Uint8Array): void {
    if (this.#pool.length < POOL_MAX) this.#pool.push(input.slice());
    else this.#pool[this.#random.between(0, POOL_MAX - 1)] = input.slice();
  }

  async #explain(input: Uint8Array, seed: string, error: Error): Promise<string> {
    const subject = this.#subject;
    const smallest = await shrink(input, async (candidate) => (await failureOf(subject, candidate, seed)) !== undefined);
    const again = (await failureOf(subject, smallest, seed)) ?? error;
    return (
      `${this.#target.name}, seed "${this.#seed}", execution ${this.#executions - 1}: ${again.message}\n` +
      `must hold: ${this.#target.oracle}\nfor tests/fuzz/corpus/${this.#target.name}.json:\n` +
      entryText("what it shows", seed, smallest)
    );
  }
}

async function failureOf(subject: FuzzSubject, input: Uint8Array, seed: string): Promise<Error | undefined> {
  try {
    await subject.run(input, new SimRandom(seed));
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
