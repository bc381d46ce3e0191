/**
 * Segments of the arena from oldest to newest, and how far the engine has them: records are appended to the newest one
 * (head), the oldest one (tail) may leave once the flush pointer has passed it, and between the two a checkpoint collects
 * what is dirty, batch by batch. Knows nothing of keys.
 */

import type { DirtyBatch } from "./dirty_batch.ts";
import { LENGTH, OFFSET_BITS, STATE } from "./record_layout.ts";
import { RecordState } from "./record_state.ts";

/** A piece of the arena's memory, filled from its beginning. */
export class Segment {
  readonly id: number;
  /** It holds one large record, and its memory is never used for another. */
  readonly isLarge: boolean;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  used = 0;
  /** Age: a larger one was (re)filled later. */
  sequence: number;
  next: Segment | undefined = undefined;

  constructor(id: number, byteLength: number, sequence: number, isLarge: boolean) {
    const buffer = new ArrayBuffer(byteLength);
    this.id = id;
    this.isLarge = isLarge;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.sequence = sequence;
  }
}

export class SegmentRing {
  tail: Segment | undefined = undefined;
  head: Segment | undefined = undefined;
  /** The first record that the engine may not have. */
  flushSegment: Segment | undefined = undefined;
  flushOffset = 0;
  /** Bytes the flush pointer has passed so far. */
  flushedBytes = 0;
  /** Where the batch in flight ends. */
  #batchSegment: Segment | undefined = undefined;
  #batchOffset = 0;

  /** Adds a segment as the newest. */
  push(segment: Segment): void {
    segment.next = undefined;
    if (this.head === undefined) this.tail = segment;
    else this.head.next = segment;
    this.head = segment;
    if (this.flushSegment === undefined) {
      this.flushSegment = segment;
      this.flushOffset = 0;
    }
  }

  /** Takes out the oldest segment, all of whose records are behind the flush pointer. */
  shift(): Segment {
    const segment = this.tail as Segment;
    this.tail = segment.next;
    if (this.tail === undefined) this.head = undefined;
    if (this.flushSegment === segment) {
      this.flushSegment = this.tail;
      this.flushOffset = 0;
    }
    segment.next = undefined;
    return segment;
  }

  /** Moves the flush pointer over records the engine has or does not need; no batch may be in flight. */
  skipClean(mayForgetDead: boolean): void {
    let segment = this.flushSegment as Segment;
    let offset = this.flushOffset;
    for (;;) {
      if (offset >= segment.used) {
        if (segment.next === undefined) break;
        segment = segment.next;
        offset = 0;
        continue;
      }
      const at = offset >> 2;
      const state = segment.words[at + STATE] as number;
      if (state & RecordState.dirty && !(state & RecordState.dead && mayForgetDead)) break;
      const length = segment.words[at + LENGTH] as number;
      this.flushedBytes += length;
      offset += length;
    }
    this.flushSegment = segment;
    this.flushOffset = offset;
  }

  /** Collects the next dirty records, up to the batch's limits or a mark; true = it is reached. */
  collect(batch: DirtyBatch, markSequence: number, markOffset: number): boolean {
    let segment = this.flushSegment;
    let offset = this.flushOffset;
    let done = segment === undefined;
    while (segment !== undefined) {
      if (segment.sequence > markSequence || (segment.sequence === markSequence && offset >= markOffset)) {
        done = true;
        break;
      }
      if (offset >= segment.used) {
        if (segment.next === undefined) {
          done = true;
          break;
        }
        segment = segment.next;
        offset = 0;
        continue;
      }
      if (batch.isFull) break;
      const { words } = segment;
      const at = offset >> 2;
      const state = words[at + STATE] as number;
      const length = words[at + LENGTH] as number;
      if ((state & (RecordState.dirty | RecordState.dead)) === RecordState.dirty) {
        words[at + STATE] = state | RecordState.inFlight;
        batch.add((segment.id << OFFSET_BITS) | (offset >> 3), length);
      }
      offset += length;
    }
    this.#batchSegment = segment;
    this.#batchOffset = offset;
    return done;
  }

  /** The engine has the batch that was collected: the flush pointer moves behind it. */
  passBatch(): void {
    // A ring that was empty has nothing flushed, whatever was appended to it meanwhile.
    if (this.#batchSegment === undefined) return;
    this.#countFlushed();
    this.flushSegment = this.#batchSegment;
    this.flushOffset = this.#batchOffset;
  }

  /** Adds what lies between the flush pointer and the end of the batch to the flushed bytes. */
  #countFlushed(): void {
    let segment = this.flushSegment;
    let offset = this.flushOffset;
    while (segment !== undefined && segment !== this.#batchSegment) {
      this.flushedBytes += segment.used - offset;
      segment = segment.next;
      offset = 0;
    }
    if (segment !== undefined) this.flushedBytes += this.#batchOffset - offset;
  }
}
