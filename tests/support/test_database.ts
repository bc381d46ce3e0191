/**
 * A small ordered database for tests of the storage, with the part of abstract-level's interface that the engine uses:
 * with or without synchronous reads, slow or failing on order, and able to lose batches that were not synced.
 */

import { latin1 } from "../../lib/base/bytes.ts";
import type { EngineDatabase } from "../../lib/storage/engine/engine.ts";

type Operation = { readonly type: "put" | "del"; readonly key: Uint8Array; readonly value?: Uint8Array };
type Range = { readonly gt?: Uint8Array; readonly gte?: Uint8Array; readonly lt: Uint8Array; readonly limit?: number };
type Pair = [Uint8Array, Uint8Array];

export class TestDatabase {
  status = "closed";
  readonly supports: { readonly getSync: boolean; readonly implicitSnapshots: boolean };
  pairs = new Map<string, Pair>();
  /** Batches since the last synced one. */
  #unsynced: Operation[][] = [];
  #synced = new Map<string, Pair>();
  /** How many of the next batches fail. */
  failures = 0;
  /** … and say this. */
  failureText = "disk on fire";
  /** After a failure nothing works until the database is opened again. */
  staysFailed = false;
  #failed = false;
  batches = 0;
  opens = 0;
  /** What a walk reads takes until this has ended; it is of the time before. */
  walking: Promise<void> | undefined;
  /** Opening takes until this has ended. */
  opening: Promise<void> | undefined;
  #gate: Promise<void> | undefined;
  #openGate: (() => void) | undefined;

  constructor(options: { readonly syncReads?: boolean; readonly snapshots?: boolean } = {}) {
    this.supports = { getSync: options.syncReads ?? true, implicitSnapshots: options.snapshots ?? true };
  }

  /** As the type a storage takes. */
  get asEngine(): EngineDatabase {
    return this as unknown as EngineDatabase;
  }

  /** What a power cut leaves: the synced batches and `kept` of the others. */
  powerCut(kept: number): TestDatabase {
    const copy = new TestDatabase({ syncReads: this.supports.getSync });
    copy.pairs = new Map(this.#synced);
    for (const operations of this.#unsynced.slice(0, kept)) apply(copy.pairs, operations);
    copy.#synced = new Map(copy.pairs);
    return copy;
  }

  get unsyncedBatches(): number {
    return this.#unsynced.length;
  }

  /** Batches wait from now on until `release`. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#openGate = resolve;
    });
  }

  release(): void {
    this.#gate = undefined;
    this.#openGate?.();
  }

  async open(): Promise<void> {
    await this.opening;
    this.opens++;
    this.#failed = false;
    this.status = "open";
  }

  async close(): Promise<void> {
    this.status = "closed";
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.pairs.get(latin1(key))?.[1];
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (!this.supports.getSync) throw new Error("Database does not support getSync()");
    this.#checkOpen();
    return this.pairs.get(latin1(key))?.[1];
  }

  batch(): {
    put(key: Uint8Array, value: Uint8Array): void;
    del(key: Uint8Array): void;
    write(options: { readonly sync?: boolean }): Promise<void>;
  } {
    const operations: Operation[] = [];
    return {
      put: (key, value) => void operations.push({ type: "put", key: key.slice(), value: value.slice() }),
      del: (key) => void operations.push({ type: "del", key: key.slice() }),
      write: (options) => this.#write(operations, options.sync === true),
    };
  }

  async #write(own: Operation[], sync: boolean): Promise<void> {
    await this.#gate;
    this.batches++;
    if (this.failures > 0) {
      this.failures--;
      this.#failed = this.staysFailed;
      throw new Error(this.failureText);
    }
    if (this.#failed) throw new Error("still failed");
    apply(this.pairs, own);
    this.#unsynced.push(own);
    if (sync) {
      this.#synced = new Map(this.pairs);
      this.#unsynced = [];
    }
  }

  iterator(range: Range): { nextv(count: number): Promise<Pair[]>; close(): Promise<void> } {
    const found = this.#select(range);
    let at = 0;
    return {
      nextv: async (count) => {
        await this.walking;
        this.#checkOpen();
        const part = found.slice(at, at + count);
        at += part.length;
        return part;
      },
      close: async () => {},
    };
  }

  #checkOpen(): void {
    if (this.status !== "open") throw new Error("Database is not open");
  }

  async clear(range: Range): Promise<void> {
    for (const [key] of this.#select(range)) this.pairs.delete(latin1(key));
  }

  #select(range: Range): Pair[] {
    const lower = latin1((range.gt ?? range.gte) as Uint8Array);
    const upper = latin1(range.lt);
    const keys = [...this.pairs.keys()].filter((key) => (range.gt === undefined ? key >= lower : key > lower) && key < upper);
    return keys
      .sort()
      .slice(0, range.limit)
      .map((key) => this.pairs.get(key) as Pair);
  }
}

function apply(pairs: Map<string, Pair>, operations: readonly Operation[]): void {
  for (const { type, key, value } of operations) {
    if (type === "put") pairs.set(latin1(key), [key, value as Uint8Array]);
    else pairs.delete(latin1(key));
  }
}
