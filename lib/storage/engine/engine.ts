/**
 * The engine: an ordered key-value database behind the arena and the log, seen through the few calls the storage needs.
 * Any abstract-level database will do; which one is chosen elsewhere. Writes go one after another, never two at a time
 * (concurrent ones are not applied in call order). Knows bytes, not items.
 */

import { concatBytes } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { Passage, TableAudit } from "./table_audit.ts";

/**
 * Any abstract-level database, whatever its formats and default encodings. Said without that package's own types: those
 * need the types of Node, which a program that uses this library may not have.
 */
export interface EngineDatabase {
  readonly status: string;
  readonly supports: object;
  open(): Promise<void>;
  close(): Promise<void>;
  get(...args: never[]): Promise<unknown>;
  batch(...args: never[]): unknown;
  iterator(...args: never[]): unknown;
  clear(...args: never[]): Promise<void>;
}

/** One change of a batch. */
export type EngineOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/** A key with its value. */
export type EnginePair = [key: Uint8Array, value: Uint8Array];

/** Where a walk begins: behind a key, or with it. */
export type ScanStart = { readonly after: Uint8Array } | { readonly from: Uint8Array };

/** What is known of a database that we make ourselves. */
export interface EngineTraits {
  readonly name: string;
  /** It survives the process. */
  readonly durable: boolean;
  /** `write` has copied keys and values when it returns, so their memory may be used again. */
  readonly copiesWrites: boolean;
  /** Keys and values are views by default: saying so with each call would only cost time. */
  readonly viewsByDefault: boolean;
  /** Ours to close. */
  readonly owned: boolean;
}

/** What is used of a database, with `view` as the encoding of keys and values. */
interface Database {
  readonly status: string;
  readonly supports: { readonly getSync?: boolean };
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
  iterator(options: ViewEncoding & { gt?: Uint8Array; gte?: Uint8Array; lt: Uint8Array; limit: number; fillCache: boolean }): {
    nextv(count: number): Promise<EnginePair[]>;
    close(): Promise<void>;
  };
  /** LevelDB has it, others need not. */
  approximateSize?(start: Uint8Array, end: Uint8Array, options: { keyEncoding: "view" }): Promise<number>;
  /** LevelDB has it, others need not. */
  compactRange?(start: Uint8Array, end: Uint8Array, options: { keyEncoding: "view" }): Promise<void>;
  clear(options: ViewEncoding & { gte: Uint8Array; lt: Uint8Array; limit: number }): Promise<void>;
}

interface ViewEncoding {
  readonly keyEncoding: "view";
  readonly valueEncoding: "view";
}

const VIEW: ViewEncoding = { keyEncoding: "view", valueEncoding: "view" };
const NEXT_COUNT = 100;
/** LevelDB's faults have no code, only the system's words. */
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
  /** Set while the database is closed and opened again: reads wait for its end. */
  #reopening: Promise<void> | undefined;
  /** Walks under way, which closing the database would break off. */
  readonly #scans = new Set<Promise<EnginePair[]>>();
  readonly #audit: TableAudit | undefined;

  private constructor(database: Database, traits: EngineTraits, audit: TableAudit | undefined) {
    this.#database = database;
    this.#audit = audit;
    this.traits = traits;
    this.#encoding = traits.viewsByDefault ? undefined : VIEW;
    this.syncReads = database.supports.getSync === true;
  }

  /** Opens the database if it is not open; `audit` knows what of it is damaged. @throws FlareError IO_ERROR */
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
   * Makes everything written so far as safe as it gets. LevelDB's own log is one whose damaged part, a whole batch maybe, it
   * passes over in silence: asking for any range to be compacted turns it into a table, where each record tells.
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
   * Closes and opens the database again: some stay failed after a failed write. Reads wait. One whose files are gone meanwhile
   * is no empty one. @throws FlareError IO_ERROR
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

  /** The record under a key of which all tables that may have it were checked. @throws FlareError CORRUPT | IO_ERROR */
  async getChecked(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.passage(key, concatBytes([key, new Uint8Array(1)]));
    return this.get(key);
  }

  /**
   * How far a walk from a key on may go for now: before it asks with `scan`, for what is damaged might be missing there in
   * silence.
   * @throws FlareError IO_ERROR
   */
  async passage(from: Uint8Array, before: Uint8Array): Promise<Passage> {
    await this.#reopening;
    return this.#audit === undefined ? { before } : this.#audit.passage(from, before);
  }

  /**
   * Pairs in key order, behind `after` (exclusive) or from `from` on, below `before`: until `limit` pairs or `bytesMax`
   * bytes are reached. None = the end.
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

  /** About how many bytes the database takes, undefined when it cannot say. @throws FlareError IO_ERROR */
  async approximateBytes(): Promise<number | undefined> {
    try {
      return await this.#database.approximateSize?.(RANGE_START, RANGE_END, { keyEncoding: "view" });
    } catch (error) {
      throw engineFault("size", error);
    }
  }

  /** Waits for what is under way, then closes the database if it is ours. */
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
    // The queue goes on after a fault; the fault belongs to its caller.
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
