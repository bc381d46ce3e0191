/**
 * Lets so many through at a time; the others wait in their order. It bounds the memory that long answers take while they
 * are put together.
 */

export class Turnstile {
  readonly #placesMax: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** Runs `work` as soon as there is a place for it. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#placesMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken++;
    try {
      return await work();
    } finally {
      // The place goes to the next one without ever being free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    }
  }
}
