/**
 * The engine: an ordered key-value database behind the arena and the log, reduced to the few calls the storage needs. Any
 * abstract-level database works; another file chooses it. Writes run one at a time (concurrent ones are not applied in call
 * order). Knows bytes, not items.
 */

import { concatBytes } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { Passage, TableAudit } from "./table_audit.ts";

/**
 * Any abstract-level database, whatever its formats and default encodings. Declared without that package's own types: those
 * need Node's types, which a program that uses this library may not have.
 */
export interface EngineDatabase {
  /** `opening`, `open`, `closing` or `closed`. */
  readonly status: string;
  /** What the database can do. */
  readonly supports: object;
  /** Opens it; nothing happens if it is open. */
  open(): Promise<void>;
  /** Closes it. */
  close(): Promise<void>;
  /** Reads a value. */
  get(...args: never[]): Promise<unknown>;
  /** Writes several changes at once. */
  batch(...args: never[]): unknown;
  /** Walks over a range of keys. */
  iterator(...args: never[]): unknown;
  /** Removes a range of keys. */
  clear(...args: never[]): Promise<void>;
}

/** One change of a batch. */
export type EngineOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** A key with its value. */
export type EnginePair = [key: Uint8Array, value: Uint8Array];

/** Where a walk begins: after a key, or at it. */
export type ScanStart = { readonly after: Uint8Array } | { readonly from: Uint8Array };

/** Properties of a database that we create ourselves. */
export interface EngineTraits {
  readonly name: string;
  /** It survives the process. */
  readonly durable: boolean;
  /** `write` has copied keys and values when it returns, so their memory can be reused. */
  readonly copiesWrites: boolean;
  /** Keys and values are views by default, so calls need not say so, which saves time. */
  readonly viewsByDefault: boolean;
  /** We close it. */
  readonly owned: boolean;
}

/** The part of a database we use, with `view` as the encoding of keys and values. */
interface Database {
  readonly status: string;
  readonly supports: { readonly getSync?: boolean; readonly implicitSnapshots?: boolean };
  open(options?: { readonly createIfMissing: boolean }): Promise<void>;
  close(): Promise<void>;
  get(key: Uint8Array, options?: ViewEncoding): Promise<Uint8Array | undefined>;
  getSync(key: Uint8Array, options?: ViewEncoding): Uint8Array | undefined;
  /** A chained batch costs a third of an array of operations. */
  batch(): {
    put(key: Uint8Array, value: Uint8Array, options?: ViewEncoding): unknown;
    del(key: Uint8Array, options?: ViewEncoding): unknown;
    write(options: { sync: boolean }): Promise<void>;
  };
  iterator(
    options: ViewEncoding & { gt?: Uint8Array; gte?: Uint8Array; lt: Uint8Array; limit?: number; fillCache: boolean },
  ): DatabaseIterator;
  /** LevelDB has it, others need not. */
  approximateSize?(start: Uint8Array, end: Uint8Array, options: { keyEncoding: "view" }): Promise<number>;
  /** LevelDB has it, others need not. */
  compactRange?(start: Uint8Array, end: Uint8Array, options: { keyEncoding: "view" }): Promise<void>;
  clear(options: ViewEncoding & { gte: Uint8Array; lt: Uint8Array; limit: number }): Promise<void>;
}

interface DatabaseIterator {
  nextv(count: number): Promise<EnginePair[]>;
  close(): Promise<void>;
}

/** A walk over a range as it was when the walk began. Reopening or closing the engine breaks it off. */
export interface EngineWalk {
  /** The next pairs in key order; none = the end. @throws FlareError IO_ERROR */
  next(): Promise<EnginePair[]>;
  close(): Promise<void>;
}

interface ViewEncoding {
  readonly keyEncoding: "view";
  readonly valueEncoding: "view";
}

const VIEW: ViewEncoding = { keyEncoding: "view", valueEncoding: "view" };
const NEXT_COUNT = 100;
/** LevelDB's errors have no code, only the system's text. */
const NO_SPACE = /no space left on device|disk quota exceeded/i;
const RANGE_START = new Uint8Array([0]);
const RANGE_END = new Uint8Array([255, 255, 255, 255]);

export class Engine {
  readonly traits: EngineTraits;
  readonly syncReads: boolean;
  /** Reads that went to the database. */
  reads = 0;

  readonly #database: Database;
  readonly #encoding: ViewEncoding | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Set while the database is being reopened: reads wait for it. */
  #reopening: Promise<void> | undefined;
  /** Walks in progress, which closing the database would break off. */
  readonly #scans = new Set<Promise<EnginePair[]>>();
  readonly #audit: TableAudit | undefined;

  private constructor(database: Database, traits: EngineTraits, audit: TableAudit | undefined) {
    this.#database = database;
    this.#audit = audit;
    this.traits = traits;
    this.#encoding = traits.viewsByDefault ? undefined : VIEW;
    this.syncReads = database.supports.getSync === true;
  }

  /** Opens the database if it is not open; `audit` knows its damage. @throws FlareError IO_ERROR */
  static async open(database: EngineDatabase, traits: EngineTraits, audit?: TableAudit): Promise<Engine> {
    const engine = new Engine(database as unknown as Database, traits, audit);
    try {
      await engine.#database.open();
    } catch (error) {
      throw engineFault("open", error);
    }
    return engine;
  }

  /** `getSync` may be used now. */
  get readsAtOnce(): boolean {
    return this.syncReads && this.#reopening === undefined;
  }

  /** Tables found damaged so far. */
  get damagedTables(): number {
    return this.#audit?.damagedTables ?? 0;
  }

  /** Only with `readsAtOnce`. @throws FlareError CORRUPT | IO_ERROR */
  getSync(key: Uint8Array): Uint8Array | undefined {
    this.reads++;
    if (this.#audit?.hasDamage === true) this.#audit.assertReadable(key);
    try {
      return this.#database.getSync(key, this.#encoding);
    } catch (error) {
      throw engineFault("read", error);
    }
  }

  /** @throws FlareError CORRUPT | IO_ERROR */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.reads++;
    this.#audit?.assertReadable(key);
    try {
      await this.#reopening;
      return await this.#database.get(key, this.#encoding);
    } catch (error) {
      throw engineFault("read", error);
    }
  }

  /** All or nothing; `sync` waits for the disk. @throws FlareError IO_ERROR | DISK_FULL */
  write(operations: readonly EngineOperation[], sync: boolean): Promise<void> {
    return this.#inLane("write", () => {
      const batch = this.#database.batch();
      for (const operation of operations) {
        if (operation.type === "put") batch.put(operation.key, operation.value, this.#encoding);
        else batch.del(operation.key, this.#encoding);
      }
      return batch.write({ sync });
    });
  }

  /**
   * Moves everything written so far out of LevelDB's own log, because LevelDB silently skips a damaged part of it, perhaps a
   * whole batch: compacting any range turns the log into a table, where damage is detected per record.
   */
  settle(): Promise<void> {
    return this.#inLane("settle", async () => {
      await this.#database.compactRange?.(RANGE_END, RANGE_END, { keyEncoding: "view" });
    });
  }

  /** Removes up to `limit` keys of a range. */
  clear(gte: Uint8Array, lt: Uint8Array, limit: number): Promise<void> {
    return this.#inLane("clear", () => this.#database.clear({ ...VIEW, gte, lt, limit }));
  }

  /**
   * Closes and reopens the database: some stay failed after a failed write. Reads wait. If its files have disappeared, it is an
   * error, not an empty database. @throws FlareError IO_ERROR
   */
  reopen(): Promise<void> {
    return this.#inLane("reopen", async () => {
      let over: () => void = () => {};
      this.#reopening = new Promise((resolve) => {
        over = resolve;
      });
      try {
        await Promise.allSettled(this.#scans);
        await this.#database.close();
        await this.#database.open({ createIfMissing: false });
      } finally {
        this.#reopening = undefined;
        over();
      }
    });
  }

  /** The record under a key, after all tables that may contain the key were verified. @throws FlareError CORRUPT | IO_ERROR */
  async getChecked(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.passage(key, concatBytes([key, new Uint8Array(1)]));
    return this.get(key);
  }

  /**
   * How far a walk from a key may go for now. To be called before `scan`, where damaged records would be missing silently.
   * @throws FlareError IO_ERROR
   */
  async passage(from: Uint8Array, before: Uint8Array): Promise<Passage> {
    await this.#reopening;
    return this.#audit === undefined ? { before } : this.#audit.passage(from, before);
  }

  /**
   * Pairs in key order, after `after` (exclusive) or from `from` on, below `before`: until `limit` pairs or `bytesMax` bytes
   * are reached. None = the end.
   */
  async scan(start: ScanStart, before: Uint8Array, limit: number, bytesMax: number): Promise<EnginePair[]> {
    await this.#reopening;
    const scan = this.#scan(start, before, limit, bytesMax);
    this.#scans.add(scan);
    try {
      return await scan;
    } finally {
      this.#scans.delete(scan);
    }
  }

  async #scan(start: ScanStart, before: Uint8Array, limit: number, bytesMax: number): Promise<EnginePair[]> {
    const range = "after" in start ? { gt: start.after } : { gte: start.from };
    const pairs: EnginePair[] = [];
    try {
      const iterator = this.#database.iterator({ ...VIEW, ...range, lt: before, limit, fillCache: false });
      try {
        let bytes = 0;
        while (pairs.length < limit && bytes < bytesMax) {
          const found = await iterator.nextv(Math.min(limit - pairs.length, NEXT_COUNT));
          if (found.length === 0) break;
          for (const pair of found) {
            pairs.push(pair);
            bytes += pair[0].length + pair[1].length;
          }
        }
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw engineFault("iterate", error);
    }
    return pairs;
  }

  /**
   * Begins a walk over the pairs from `from` on, below `before`, as they are now: within this call the database takes a
   * snapshot. @throws FlareError UNSUPPORTED | IO_ERROR
   */
  openWalk(from: Uint8Array, before: Uint8Array): EngineWalk {
    if (this.#database.supports.implicitSnapshots !== true) {
      throw new FlareError("UNSUPPORTED", `engine "${this.traits.name}" has no snapshots`);
    }
    if (this.#reopening !== undefined) throw new FlareError("IO_ERROR", "the engine is being reopened", { retriable: true });
    const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw engineFault("iterate", error);
      }
    };
    try {
      const iterator = this.#database.iterator({ ...VIEW, gte: from, lt: before, fillCache: false });
      return { next: () => attempt(() => iterator.nextv(NEXT_COUNT)), close: () => attempt(() => iterator.close()) };
    } catch (error) {
      throw engineFault("iterate", error);
    }
  }

  /** The approximate size of the database in bytes, undefined if unknown. @throws FlareError IO_ERROR */
  async approximateBytes(): Promise<number | undefined> {
    try {
      return await this.#database.approximateSize?.(RANGE_START, RANGE_END, { keyEncoding: "view" });
    } catch (error) {
      throw engineFault("size", error);
    }
  }

  /** Waits for calls in flight, then closes the database if it is ours. */
  async close(): Promise<void> {
    await this.#inLane("close", async () => {
      if (this.traits.owned) await this.#database.close();
    });
  }

  #inLane(what: string, work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(async () => {
      try {
        await work();
      } catch (error) {
        throw engineFault(what, error);
      }
    });
    // The queue continues after an error; the error belongs to its caller.
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function engineFault(what: string, error: unknown): FlareError {
  if (error instanceof FlareError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
  const message = `engine ${what} failed: ${detail}${cause}`;
  return new FlareError(NO_SPACE.test(message) ? "DISK_FULL" : "IO_ERROR", message, { cause: error, retriable: true });
}
