/**
 * The records of the arena that go to the engine together, as locations.
 */

const BATCH_RECORDS_MAX = 4000;
const BATCH_BYTES_MAX = 1 << 20;

export class DirtyBatch {
  readonly locations: Int32Array = new Int32Array(BATCH_RECORDS_MAX);
  count = 0;
  /** True when nothing dirty is left before the mark it was collected for. */
  reachesMark = false;
  /** The engine may or may not have it: the flush pointer stays where it is. */
  isInFlight = false;
  #bytes = 0;

  get isFull(): boolean {
    return this.count === BATCH_RECORDS_MAX || this.#bytes >= BATCH_BYTES_MAX;
  }

  /** Begins anew. */
  begin(): void {
    this.count = 0;
    this.#bytes = 0;
    this.isInFlight = true;
  }

  add(location: number, recordBytes: number): void {
    this.locations[this.count++] = location;
    this.#bytes += recordBytes;
  }

  /** The engine has it. */
  end(): void {
    this.count = 0;
    this.isInFlight = false;
  }
}
