/**
 * From a key's hash to its partition: Flare's "modular" tables. A row per number of partitions, a cell per residue of the hash.
 * Adding a partition moves about its fair share of the cells to the new one and none between old ones (above `hint`). Rows are
 * built on demand. Pure; knows nothing of nodes.
 */

import { FlareError } from "../base/errors.ts";

/** The parameters that all nodes and index servers of a cluster must share (sent by the `meta` command). */
export interface KeyResolverOptions {
  /** `partition-size`: one more than the largest number of partitions, 2 … 65536. */
  readonly partitionSize: number;
  /** `partition-modular-hint`: up to this many partitions a row is plain `cell mod partitions`, 1 … 65536. */
  readonly hint: number;
  /** `partition-modular-virtual`: cells of a row, 1 … 2^24. */
  readonly virtual: number;
}

const PARTITION_SIZE_MAX = 65536;
const VIRTUAL_MAX = 1 << 24;
/** More rows than this are never in use together; but `dump` can request any row. */
const ROWS_KEPT_MAX = 64;

export class KeyResolver {
  readonly options: KeyResolverOptions;
  /** The largest possible number of partitions. */
  readonly partitionCountMax: number;
  readonly #virtual: number;
  #rows: (Uint16Array | undefined)[] = [];
  #rowsKept = 0;

  /** @throws FlareError INVALID_OPTION when a parameter is out of range */
  constructor(options: KeyResolverOptions) {
    checkInteger("partition-size", options.partitionSize, 2, PARTITION_SIZE_MAX);
    checkInteger("partition-modular-hint", options.hint, 1, PARTITION_SIZE_MAX);
    checkInteger("partition-modular-virtual", options.virtual, 1, VIRTUAL_MAX);
    this.options = Object.freeze({ ...options });
    this.partitionCountMax = options.partitionSize - 1;
    this.#virtual = options.virtual;
  }

  /**
   * The partition of a hash when there are `partitionCount` of them; -1 when `partitionCount` is not in
   * 1 … `partitionCountMax`.
   *
   * Flare differs: for the hash -2^31 and a `virtual` that is not a power of two the original reads before the start of its
   * table; here the hash counts as +2^31. With a power of two both use cell 0.
   */
  resolve(hash: number, partitionCount: number): number {
    const row = this.#rows[partitionCount] ?? this.#buildRow(partitionCount);
    return row === undefined ? -1 : (row[(hash >>> 0) % this.#virtual] as number);
  }

  #buildRow(partitionCount: number): Uint16Array | undefined {
    if (!Number.isInteger(partitionCount) || partitionCount < 1 || partitionCount > this.partitionCountMax) return undefined;
    if (this.#rowsKept === ROWS_KEPT_MAX) {
      this.#rows = [];
      this.#rowsKept = 0;
    }
    const { hint } = this.options;
    let base = partitionCount;
    while (base > hint && this.#rows[base] === undefined) base--;
    const row = this.#rows[base]?.slice() ?? plainRow(this.#virtual, base);
    const counters = new Uint32Array(partitionCount);
    for (let count = base + 1; count <= partitionCount; count++) growRow(row, counters.fill(0), count);
    this.#rows[partitionCount] = row;
    this.#rowsKept++;
    return row;
  }
}

function plainRow(virtual: number, partitionCount: number): Uint16Array {
  const row = new Uint16Array(virtual);
  for (let cell = 0; cell < virtual; cell++) row[cell] = cell % partitionCount;
  return row;
}

/** Turns the row of `partitionCount - 1` partitions into the next: every n-th cell of each old one goes to the new one. */
function growRow(row: Uint16Array, counters: Uint32Array, partitionCount: number): void {
  const added = partitionCount - 1;
  for (let cell = 0; cell < row.length; cell++) {
    const owner = row[cell] as number;
    const count = (counters[owner] as number) + 1;
    counters[owner] = count;
    if (count % partitionCount === added) row[cell] = added;
  }
}

function checkInteger(name: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new FlareError("INVALID_OPTION", `"${name}" must be an integer between ${minimum} and ${maximum}, not "${value}"`);
}
