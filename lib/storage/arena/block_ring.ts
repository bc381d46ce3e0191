/**
 * Blocks of the arena from oldest to newest, and how far they are in the engine: records are appended to the newest one (head),
 * the oldest one (tail) can be evicted once the flush pointer has passed it, and between the two a checkpoint collects dirty
 * records, batch by batch. Knows nothing of keys.
 */

import type { DirtyBatch } from "./dirty_batch.ts";
import { LENGTH, OFFSET_BITS, STATE } from "./record_layout.ts";
import { RecordState } from "./record_state.ts";

/** A piece of the arena's memory, filled from its start. */
export class Block {
  readonly id: number;
  /** It holds one large record, and its memory is never used for another. */
  readonly isLarge: boolean;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  used = 0;
  /** Age: higher is newer. Set when the block is (re)filled. */
  sequence: number;
  next: Block | undefined = undefined;

  constructor(id: number, byteLength: number, sequence: number, isLarge: boolean) {
    const buffer = new ArrayBuffer(byteLength);
    this.id = id;
    this.isLarge = isLarge;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.sequence = sequence;
  }
}

export class BlockRing {
  tail: Block | undefined = undefined;
  head: Block | undefined = undefined;
  /** The first record that may not be in the engine. */
  flushBlock: Block | undefined = undefined;
  flushOffset = 0;
  /** Bytes the flush pointer has passed so far. */
  flushedBytes = 0;
  /** The end of the batch in flight. */
  #batchBlock: Block | undefined = undefined;
  #batchOffset = 0;

  /** Adds a block as the newest. */
  push(block: Block): void {
    block.next = undefined;
    if (this.head === undefined) this.tail = block;
    else this.head.next = block;
    this.head = block;
    if (this.flushBlock === undefined) {
      this.flushBlock = block;
      this.flushOffset = 0;
    }
  }

  /** Removes the oldest block; the flush pointer must have passed all its records. */
  shift(): Block {
    const block = this.tail as Block;
    this.tail = block.next;
    if (this.tail === undefined) this.head = undefined;
    if (this.flushBlock === block) {
      this.flushBlock = this.tail;
      this.flushOffset = 0;
    }
    block.next = undefined;
    return block;
  }

  /** Moves the flush pointer over records that are in the engine or not needed there; no batch may be in flight. */
  skipClean(mayForgetDead: boolean): void {
    let block = this.flushBlock as Block;
    let offset = this.flushOffset;
    for (;;) {
      if (offset >= block.used) {
        if (block.next === undefined) break;
        block = block.next;
        offset = 0;
        continue;
      }
      const at = offset >> 2;
      const state = block.words[at + STATE] as number;
      if (state & RecordState.dirty && !(state & RecordState.dead && mayForgetDead)) break;
      const length = block.words[at + LENGTH] as number;
      this.flushedBytes += length;
      offset += length;
    }
    this.flushBlock = block;
    this.flushOffset = offset;
  }

  /** Collects the next dirty records, up to the batch's limits or a mark; true = the mark is reached. */
  collect(batch: DirtyBatch, markSequence: number, markOffset: number): boolean {
    let block = this.flushBlock;
    let offset = this.flushOffset;
    let done = block === undefined;
    while (block !== undefined) {
      if (block.sequence > markSequence || (block.sequence === markSequence && offset >= markOffset)) {
        done = true;
        break;
      }
      if (offset >= block.used) {
        if (block.next === undefined) {
          done = true;
          break;
        }
        block = block.next;
        offset = 0;
        continue;
      }
      if (batch.isFull) break;
      const { words } = block;
      const at = offset >> 2;
      const state = words[at + STATE] as number;
      const length = words[at + LENGTH] as number;
      if ((state & (RecordState.dirty | RecordState.dead)) === RecordState.dirty) {
        words[at + STATE] = state | RecordState.inFlight;
        batch.add((block.id << OFFSET_BITS) | (offset >> 3), length);
      }
      offset += length;
    }
    this.#batchBlock = block;
    this.#batchOffset = offset;
    return done;
  }

  /** Calls `visit` with the location of each record that is not in the engine, in flight or not. */
  eachDirty(visit: (location: number) => void): void {
    let offset = this.flushOffset;
    for (let block = this.flushBlock; block !== undefined; block = block.next) {
      const { words, used, id } = block;
      while (offset < used) {
        const at = offset >> 2;
        const state = words[at + STATE] as number;
        if ((state & (RecordState.dirty | RecordState.dead)) === RecordState.dirty) visit((id << OFFSET_BITS) | (offset >> 3));
        offset += words[at + LENGTH] as number;
      }
      offset = 0;
    }
  }

  /** The collected batch is in the engine: moves the flush pointer past it. */
  passBatch(): void {
    // The ring was empty when the batch was collected: nothing of it is flushed, even if records were appended since.
    if (this.#batchBlock === undefined) return;
    this.#countFlushed();
    this.flushBlock = this.#batchBlock;
    this.flushOffset = this.#batchOffset;
  }

  /** Adds the bytes from the flush pointer to the end of the batch to the flushed bytes. */
  #countFlushed(): void {
    let block = this.flushBlock;
    let offset = this.flushOffset;
    while (block !== undefined && block !== this.#batchBlock) {
      this.flushedBytes += block.used - offset;
      block = block.next;
      offset = 0;
    }
    if (block !== undefined) this.flushedBytes += this.#batchOffset - offset;
  }
}
