/**
 * The engine of a simulated node: what lies on its host's disk, as an abstract-level database whose calls take virtual
 * time. With or without synchronous reads, because real databases come in both kinds.
 */

import {
  type AbstractBatchOperation,
  type AbstractClearOptions,
  AbstractIterator,
  type AbstractIteratorOptions,
  AbstractLevel,
} from "abstract-level";
import type { AccessFaults, SimEngineData } from "./sim_disk.ts";
import type { SimProcess } from "./sim_process.ts";

type Bytes = Uint8Array;
type Operation = AbstractBatchOperation<SimEngine, Bytes, Bytes>;
type Pair = [key: Bytes, value: Bytes];

/** An engine for `NodeServerParts.engine`. */
export class SimEngine extends AbstractLevel<Bytes, Bytes, Bytes> {
  readonly process: SimProcess;
  readonly data: SimEngineData;

  constructor(process: SimProcess, data: SimEngineData, syncReads: boolean) {
    super({ encodings: { view: true }, getSync: syncReads } as object, { keyEncoding: "view", valueEncoding: "view" });
    this.process = process;
    this.data = data;
  }

  async _open(): Promise<void> {
    await this.wait();
  }

  async _close(): Promise<void> {
    await this.wait();
  }

  async _get(key: Bytes): Promise<Bytes | undefined> {
    await this.wait();
    this.mayFail("read");
    return this.data.database.get(key);
  }

  _getSync(key: Bytes): Bytes | undefined {
    this.mayFail("read");
    return this.data.database.getSync(key);
  }

  _put(key: Bytes, value: Bytes, options: { sync?: boolean }): Promise<void> {
    return this._batch([{ type: "put", key, value }], options);
  }

  _del(key: Bytes, options: { sync?: boolean }): Promise<void> {
    return this._batch([{ type: "del", key }], options);
  }

  async _batch(operations: readonly Operation[], options: { sync?: boolean }): Promise<void> {
    await this.wait();
    await this.#apply(operations, options.sync === true);
    await this.wait();
  }

  async _clear(options: AbstractClearOptions<Bytes>): Promise<void> {
    await this.wait();
    const keys = await this.data.database.keys({ ...options, keyEncoding: "view" }).all();
    await this.#apply(
      keys.map((key) => ({ type: "del", key })),
      false,
    );
  }

  _iterator(options: AbstractIteratorOptions<Bytes, Bytes>): SimIterator {
    return new SimIterator(this, options);
  }

  wait(): Promise<void> {
    return this.process.waitUs(this.process.host.disk.delayUs());
  }

  mayFail(access: keyof AccessFaults): void {
    const { disk } = this.process.host;
    if (disk.random.chance(disk.faults[access])) throw new Error("input/output error");
  }

  async #apply(operations: readonly Operation[], sync: boolean): Promise<void> {
    const { disk } = this.process.host;
    disk.onChange(`${sync ? "synced batch" : "batch"} of ${operations.length}`);
    if (!this.process.alive) return;
    let bytes = 0;
    for (const each of operations) bytes += each.key.length + (each.type === "put" ? each.value.length : 0);
    if (disk.freeBytes < bytes) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    disk.freeBytes -= bytes;
    this.mayFail("append");
    if (sync) this.mayFail("sync");
    this.data.record(
      operations.map(({ key }) => key),
      sync,
    );
    await this.data.database.batch(
      operations.map((each) =>
        each.type === "put"
          ? { type: "put", key: each.key.slice(), value: each.value.slice() }
          : { type: "del", key: each.key.slice() },
      ),
    );
  }
}

/** A walk over what was there when it began. */
class SimIterator extends AbstractIterator<SimEngine, Bytes, Bytes> {
  readonly #engine: SimEngine;
  readonly #iterator: { nextv(count: number): Promise<Pair[]>; close(): Promise<void> };

  constructor(engine: SimEngine, options: AbstractIteratorOptions<Bytes, Bytes>) {
    super(engine, options);
    this.#engine = engine;
    this.#iterator = engine.data.database.iterator({ ...options, keyEncoding: "view", valueEncoding: "view" });
  }

  async _next(): Promise<Pair | undefined> {
    const [pair] = await this._nextv(1);
    return pair;
  }

  async _nextv(count: number): Promise<Pair[]> {
    await this.#engine.wait();
    this.#engine.mayFail("read");
    return this.#iterator.nextv(count);
  }

  _close(): Promise<void> {
    return this.#iterator.close();
  }
}
