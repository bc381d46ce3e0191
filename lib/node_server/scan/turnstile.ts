/**
 * A semaphore: runs a limited number of tasks at a time; the others wait in order. It limits the memory of long answers while
 * they are assembled.
 */

export class Turnstile {
  readonly #placesMax: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** Runs `work` as soon as there is a free slot. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#placesMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken++;
    try {
      return await work();
    } finally {
      // The slot passes directly to the next task.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    }
  }
}
