/**
 * What happened in a run, as one number: every event of the simulated world goes in, so two runs of a seed that differ anywhere
 * have different hashes. The last lines are kept to debug a failure.
 */

const LINES_MAX = 4000;

export class SimTrace {
  /** Told every line as it comes, when set. */
  onLine: ((line: string) => void) | undefined;
  #low = 0x811c9dc5;
  #high = 0x9dc5811c;
  #lines: string[] = [];
  #count = 0;

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  /** The hash of everything so far. */
  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0");
  }

  /** The newest lines, oldest first. */
  get tail(): readonly string[] {
    return this.#lines.slice(-LINES_MAX);
  }

  add(line: string): void {
    this.#count++;
    for (let i = 0; i < line.length; i++) this.#mix(line.charCodeAt(i));
    this.#mix(10);
    this.onLine?.(line);
    this.#lines.push(line);
    if (this.#lines.length > 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX);
  }

  addBytes(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.#mix(bytes[i] as number);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193);
    this.#high = Math.imul(this.#high ^ (value + (this.#low >>> 24)), 0x85ebca6b);
  }
}
