/** The locations of the arena's records that are written to the engine together. */

const BATCH_RECORDS_MAX = 4000;
const BATCH_BYTES_MAX = 1 << 20;

export class DirtyBatch {
  readonly locations: Int32Array = new Int32Array(BATCH_RECORDS_MAX);
  count = 0;
  /** True when no dirty record is left before the mark of this checkpoint. */
  reachesMark = false;
  /** The batch may or may not be in the engine: the flush pointer must not move. */
  isInFlight = false;
  #bytes = 0;

  get isFull(): boolean {
    return this.count === BATCH_RECORDS_MAX || this.#bytes >= BATCH_BYTES_MAX;
  }

  /** Starts an empty batch. */
  begin(): void {
    this.count = 0;
    this.#bytes = 0;
    this.isInFlight = true;
  }

  add(location: number, recordBytes: number): void {
    this.locations[this.count++] = location;
    this.#bytes += recordBytes;
  }

  /** The batch is in the engine. */
  end(): void {
    this.count = 0;
    this.isInFlight = false;
  }
}
