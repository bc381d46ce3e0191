/**
 * Replays the changes of the log at startup. The engine may already have a change, or a later state of its key: the result is
 * the same. If the arena has no room, its content is first written to the engine.
 */

import { latin1 } from "../base/bytes.ts";
import { copyBytes } from "../base/copy_bytes.ts";
import { FlareError } from "../base/errors.ts";
import { CurrentKind } from "../item/decide.ts";
import type { KeySlice } from "../item/entry.ts";
import type { Keyspaces } from "./arena/keyspaces.ts";
import { RecordState, stateOfMarks } from "./arena/record_state.ts";
import type { Checkpointer } from "./checkpoint/checkpointer.ts";
import { type Deliveries, decodeDelivery } from "./log/deliveries.ts";
import { LogKind, type LogReader } from "./log/log_record.ts";
import { decodeMark, type Positions } from "./log/positions.ts";
import type { KeyLookup } from "./path/key_lookup.ts";
import type { KeyWriter } from "./path/key_writer.ts";

export class LogReplay {
  readonly #keyspaces: Keyspaces;
  readonly #lookup: KeyLookup;
  readonly #writer: KeyWriter;
  readonly #checkpointer: Checkpointer;
  readonly #syncReads: boolean;
  readonly #nowSeconds: number;
  readonly #positions: Positions;
  readonly #deliveries: Deliveries;

  constructor(
    keyspaces: Keyspaces,
    lookup: KeyLookup,
    writer: KeyWriter,
    checkpointer: Checkpointer,
    syncReads: boolean,
    nowSeconds: number,
    positions: Positions,
    deliveries: Deliveries,
  ) {
    this.#keyspaces = keyspaces;
    this.#lookup = lookup;
    this.#writer = writer;
    this.#checkpointer = checkpointer;
    this.#syncReads = syncReads;
    this.#nowSeconds = nowSeconds;
    this.#positions = positions;
    this.#deliveries = deliveries;
  }

  /**
   * Applies the reader's current change; a promise if it must wait for the engine.
   * @throws FlareError INVALID_OPTION | IO_ERROR (a promise rejects with them)
   */
  replay(reader: LogReader): void | Promise<void> {
    const { generation } = this.#keyspaces.current;
    if (reader.generation < generation) return;
    if (reader.generation > generation) this.#keyspaces.replace(reader.generation);
    if (reader.kind === LogKind.state) {
      this.#keyspaces.flushPlannedFor = reader.expire;
      const { bytes, keyStart, keyEnd, sequence, version } = reader;
      const note = latin1(bytes, keyStart, keyEnd);
      const mark = decodeMark(note, sequence, version);
      const delivery = decodeDelivery(note, version);
      if (mark !== undefined) this.#positions.add(mark);
      if (delivery !== undefined) this.#deliveries.note(delivery);
      return;
    }
    const key = { bytes: reader.bytes, start: reader.keyStart, end: reader.keyEnd };
    if (!this.#attempt(reader, key)) return this.#replayLater(reader, key);
  }

  #attempt(reader: LogReader, key: KeySlice): boolean {
    const { cache } = this.#keyspaces.current;
    const hash = cache.hash(key.bytes, key.start, key.end);
    const nowSeconds = this.#nowSeconds;
    try {
      if (!this.#lookup.lookUp(hash, key, nowSeconds)) return false;
    } catch (error) {
      // The log has the value that the engine can no longer read.
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
    }
    const { flags, expire, version, marks, bytes, valueStart, valueEnd } = reader;
    const isTombstone = reader.kind === LogKind.delete;
    const kind = isTombstone ? CurrentKind.tombstone : CurrentKind.value;
    const valueLength = valueEnd - valueStart;
    const size = cache.recordBytes(kind, key.end - key.start, flags, valueLength);
    if (size > cache.recordBytesMax) {
      throw new FlareError(
        "INVALID_OPTION",
        `memoryBytesMax is too small for an item of ${valueLength} bytes in the change log`,
      );
    }
    const state = RecordState.dirty | (isTombstone ? RecordState.tombstone : stateOfMarks(marks, false));
    const writer = this.#writer;
    writer.fields.set(state, flags, expire, version);
    if (!writer.append(hash, key, size, valueLength, nowSeconds)) return false;
    const { written } = writer;
    copyBytes(written.bytes, written.valueStart, bytes, valueStart, valueEnd);
    return true;
  }

  async #replayLater(reader: LogReader, key: KeySlice): Promise<void> {
    for (;;) {
      if (!this.#syncReads) this.#lookup.loaded = { bytes: await this.#lookup.read(key) };
      const isDone = this.#attempt(reader, key);
      this.#lookup.loaded = undefined;
      if (isDone) return;
      await this.#checkpointer.run();
    }
  }
}
