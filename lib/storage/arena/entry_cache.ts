/**
 * The arena: items as reply-ready bytes in a few large blocks, found through a hash index in typed arrays, so that a million
 * keys cost the garbage collector nothing. Records are appended; an overwritten one is dead. Each ring of blocks has three
 * positions: head (append), flush (first record that may not be in the engine) and tail (evict). The tail never passes the
 * flush pointer, so records that are not in the engine stay; the others get a second chance if they were used, else they are
 * dropped. Values too large for a block have their own ring, one block each, whose memory is never reused. Knows nothing of the
 * engine, the log and the clock.
 */

import { equalBytes } from "../../base/bytes.ts";
import { copyBytes, writeDecimal } from "../../base/copy_bytes.ts";
import { fromWords, highWord, lowWord } from "../../base/uint64.ts";
import { CurrentKind } from "../../item/decide.ts";
import type { KeySlice } from "../../item/entry.ts";
import { Block, BlockRing } from "./block_ring.ts";
import type { CachedEntry } from "./cached_entry.ts";
import { DirtyBatch } from "./dirty_batch.ts";
import { indexHash } from "./index_hash.ts";
import { KeyIndex } from "./key_index.ts";
import type { RecordFields } from "./record_fields.ts";
import {
  ACCESS,
  EXPIRE,
  FLAGS,
  HASH,
  HEADER_BYTES,
  headBytes,
  KEY_AND_HEAD,
  LENGTH,
  OFFSET_BITS,
  OFFSET_MASK,
  PREFIX_BYTES,
  STATE,
  VALUE_LENGTH,
  VERSION_HIGH,
  VERSION_LOW,
  writePrefix,
} from "./record_layout.ts";
import { ACCESSED, ENGINE_BITS, kindOfState, marksOfState, RecordState } from "./record_state.ts";

/** Keys warmed at a time. */
const WARM_MAX = 64;
/** A cache line, in 32-bit words. */
const LINE_WORDS = 16;
const BLOCK_IDS_MAX = 32767;
const BLOCK_BYTES_MAX = 1 << 20;
const BLOCK_BYTES_MIN = 1 << 12;
const BLOCKS_WANTED = 16;

/** The bounds of `memoryBytesMax`: with less, eviction has no choice; with more, locations run out. */
export const CACHE_BYTES_MIN = BLOCK_BYTES_MIN * BLOCKS_WANTED;
export const CACHE_BYTES_MAX = 2 ** 33;

const SPACE = 0x20;
const CR = 13;
const LF = 10;

/** The end of a checkpoint: the heads at its start. */
export interface CacheMark {
  readonly smallSequence: number;
  readonly smallOffset: number;
  readonly largeSequence: number;
}

/** What the arena's memory is divided into. */
export interface ArenaLayout {
  /** Of a block shared by many records; large records have their own. */
  readonly blockBytes: number;
  readonly blocks: number;
  /** After the last record of the head block. */
  readonly freeBytes: number;
  readonly indexSlots: number;
  readonly indexBytes: number;
  /** When the next item to be evicted was last written or read, 0 = there is none. */
  readonly oldestAccessSeconds: number;
}

export class EntryCache {
  /** Items evicted so far: they are in the engine, and are loaded again when needed. */
  evictions = 0;
  /** Those of them that were never read, and those that were evicted although in use. */
  evictedUnfetched = 0;
  evictedActive = 0;
  /** Those of them that had an expiry. */
  evictedNonzero = 0;
  /** How long the last evicted item had been idle, in seconds. */
  evictedIdleSeconds = 0;
  /** Items spared by eviction because they were in use. */
  spared = 0;
  /** Times a writer had to make room. */
  roomsMade = 0;
  /** Everything evicted so far was appended before a block of this age was full. */
  evictedTo = 0;
  /** Called for each evicted item, if set. */
  onEvicted: ((location: number) => void) | undefined;
  /** Bytes of live records that are not in the engine. */
  dirtyBytes = 0;
  /** Bytes of live records. */
  liveBytes = 0;
  /** Live records that are tombstones. */
  tombstones = 0;
  /** The batch that `takeBatch` collected last. */
  readonly batch = new DirtyBatch();

  readonly #seed: number;
  #bytesMax = 0;
  #blockBytes = 0;
  #largeBytesMin = 0;
  readonly #index = new KeyIndex();
  readonly #blocks: (Block | undefined)[] = [undefined];
  readonly #warmLocations = new Int32Array(WARM_MAX);
  /** What `warm` read last. Unused, but without it the reads would be optimised away. */
  touched = 0;
  readonly #freeIds: number[] = [];
  readonly #small = new BlockRing();
  readonly #large = new BlockRing();
  #nextSequence = 1;
  /** The second of the last append. */
  #lastSeconds = 0;
  #allocatedBytes = 0;
  #appendedBytes = 0;
  /** Where the last `find` ended. */
  #slot = 0;

  /** `bytesMax` is `CACHE_BYTES_MIN` … `CACHE_BYTES_MAX`; memory is allocated as needed. `seed` is any 32 bits. */
  constructor(bytesMax: number, seed: number) {
    this.#seed = seed | 0;
    this.bytesMax = bytesMax;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Changes the size, within these bounds: growth happens as needed; to get smaller, call `shrink`. */
  set bytesMax(bytesMax: number) {
    this.#bytesMax = bytesMax;
    let blockBytes = BLOCK_BYTES_MAX;
    while (blockBytes > BLOCK_BYTES_MIN && blockBytes * BLOCKS_WANTED > bytesMax) blockBytes /= 2;
    this.#blockBytes = blockBytes;
    this.#largeBytesMin = blockBytes / 4;
  }

  /** The largest record: half of the arena, so that one can be written while another is read. */
  get recordBytesMax(): number {
    return Math.floor(this.#bytesMax / 2);
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** What the arena's memory is divided into. */
  get layout(): ArenaLayout {
    const head = this.#small.head;
    return {
      blockBytes: this.#blockBytes,
      blocks: this.#blocks.length - 1 - this.#freeIds.length,
      freeBytes: head === undefined ? 0 : head.bytes.length - head.used,
      indexSlots: this.#index.mask + 1,
      indexBytes: this.#index.slots.byteLength,
      oldestAccessSeconds: this.#oldestAccess(),
    };
  }

  /** Bytes that cannot be evicted until the dirty records among them are in the engine. */
  get pinnedBytes(): number {
    return this.#appendedBytes - this.#small.flushedBytes - this.#large.flushedBytes;
  }

  /** Entries found through the index. */
  get count(): number {
    return this.#index.count;
  }

  hash(bytes: Uint8Array, start: number, end: number): number {
    return indexHash(bytes, start, end, this.#seed);
  }

  /** The location of a key, 0 = not here. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const { slots, mask } = this.#index;
    const blocks = this.#blocks;
    const length = end - start;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const location = slots[slot * 2 + 1] as number;
      if (location === 0) {
        this.#slot = slot;
        return 0;
      }
      if (slots[slot * 2] !== hash) continue;
      const block = blocks[location >>> OFFSET_BITS] as Block;
      const offset = (location & OFFSET_MASK) << 3;
      if (((block.words[(offset >> 2) + KEY_AND_HEAD] as number) & 0xffff) !== length) continue;
      const keyStart = offset + HEADER_BYTES + PREFIX_BYTES;
      if (!equalBytes(block.bytes, keyStart, keyStart + length, bytes, start, end)) continue;
      this.#slot = slot;
      return location;
    }
  }

  /**
   * Touches the memory that looking up each of these keys will need, so that the processor fetches it for all of them in
   * parallel. The keys are the space-separated words of `bytes[start, end)`.
   */
  warm(bytes: Uint8Array, start: number, end: number): void {
    const { slots, mask } = this.#index;
    const locations = this.#warmLocations;
    let count = 0;
    for (let at = start; at < end && count < WARM_MAX; at++) {
      const keyStart = at;
      while (at < end && bytes[at] !== SPACE) at++;
      if (at > keyStart) locations[count++] = slots[(this.hash(bytes, keyStart, at) & mask) * 2 + 1] as number;
    }
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const location = locations[i] as number;
      const words = (this.#blocks[location >>> OFFSET_BITS] as Block | undefined)?.words;
      const at = (location & OFFSET_MASK) << 1;
      if (words !== undefined) touched ^= (words[at] as number) ^ (words[at + LINE_WORDS] as number);
    }
    this.touched = touched;
  }

  state(location: number): number {
    const block = this.#blocks[location >>> OFFSET_BITS] as Block;
    return block.words[(((location & OFFSET_MASK) << 3) >> 2) + STATE] as number;
  }

  /** Fills `view` with the record at a location. */
  read(location: number, view: CachedEntry): void {
    const id = location >>> OFFSET_BITS;
    const block = this.#blocks[id] as Block;
    const offset = (location & OFFSET_MASK) << 3;
    const words = block.words;
    const at = offset >> 2;
    const state = words[at + STATE] as number;
    const keyAndHead = words[at + KEY_AND_HEAD] as number;
    const headStart = offset + HEADER_BYTES;
    const headEnd = headStart + (keyAndHead >>> 16);
    view.bytes = block.bytes;
    view.headStart = headStart;
    view.headEnd = headEnd;
    view.keyStart = headStart + PREFIX_BYTES;
    view.keyEnd = headStart + PREFIX_BYTES + (keyAndHead & 0xffff);
    view.valueStart = headEnd + 2;
    view.valueEnd = headEnd + 2 + (words[at + VALUE_LENGTH] as number);
    view.flags = (words[at + FLAGS] as number) >>> 0;
    view.expire = (words[at + EXPIRE] as number) >>> 0;
    const high = words[at + VERSION_HIGH] as number;
    view.version =
      high === 0 ? (words[at + VERSION_LOW] as number) >>> 0 : fromWords(high >>> 0, (words[at + VERSION_LOW] as number) >>> 0);
    view.marks = marksOfState(state);
    view.fetched = (state & RecordState.fetched) !== 0;
    view.accessSeconds = (words[at + ACCESS] as number) >>> 0;
    view.kind = kindOfState(state);
    view.stable = block.isLarge;
  }

  /** Records a read, which tells eviction that the entry is in use. */
  markAccessed(location: number, nowSeconds: number): void {
    const words = (this.#blocks[location >>> OFFSET_BITS] as Block).words;
    const at = ((location & OFFSET_MASK) << 3) >> 2;
    const state = words[at + STATE] as number;
    if ((state & ACCESSED) !== ACCESSED) words[at + STATE] = state | ACCESSED;
    // Written only once a second: not every read should make the cache line dirty.
    if (words[at + ACCESS] !== nowSeconds) words[at + ACCESS] = nowSeconds;
  }

  /** The size of a record in bytes. */
  recordBytes(kind: CurrentKind, keyLength: number, flags: number, valueLength: number): number {
    const payload =
      kind === CurrentKind.value ? headBytes(keyLength, flags, valueLength) + 2 + valueLength + 2 : PREFIX_BYTES + keyLength;
    return (HEADER_BYTES + payload + 7) & ~7;
  }

  /** True when a record of this size fits without moving or dropping any other. */
  fits(recordBytes: number): boolean {
    if (recordBytes > this.#largeBytesMin) return this.#mayAllocate(recordBytes);
    const head = this.#small.head;
    if (head !== undefined && head.used + recordBytes <= head.bytes.length) return true;
    return this.#mayAllocate(this.#blockBytes);
  }

  /**
   * Evicts until a record of this size fits; false when everything left is not yet in the engine. Invalidates locations, views
   * and the last `find`. `mayForgetDead`: `undo` will restore no overwritten record.
   */
  makeRoom(recordBytes: number, mayForgetDead: boolean): boolean {
    const large = recordBytes > this.#largeBytesMin;
    const needed = large ? recordBytes : this.#blockBytes;
    this.roomsMade++;
    while (!this.#mayAllocate(needed)) {
      const ring = this.#oldestEvictable(mayForgetDead);
      if (ring === undefined) return false;
      if (ring === this.#large) this.#evictLarge();
      else if (large || !this.#isReusable(ring.tail as Block)) this.#free(this.#clear(ring.shift()));
      else {
        this.#recycle(ring.shift());
        return true;
      }
    }
    return true;
  }

  /**
   * Frees memory above `bytesMax`, as far as its records are in the engine; true = nothing is left above it. Invalidates the
   * same as `makeRoom`, with the same `mayForgetDead`.
   */
  shrink(mayForgetDead: boolean): boolean {
    if (this.#allocatedBytes <= this.#bytesMax) return true;
    while (this.#allocatedBytes > this.#bytesMax) {
      const ring = this.#oldestEvictable(mayForgetDead);
      if (ring === undefined) break;
      this.#free(this.#clear(ring.shift()));
    }
    this.#index.fit();
    return this.#allocatedBytes <= this.#bytesMax;
  }

  /** Reports the record lengths of all items, one block per step, so that the caller can yield in between. */
  *itemBytes(found: (recordBytes: number) => void): Generator<void> {
    const blocks = this.#blocks.slice();
    for (const block of blocks) {
      if (block === undefined || this.#blocks[block.id] !== block) continue;
      const { words } = block;
      for (let offset = 0; offset < block.used; ) {
        const at = offset >> 2;
        const state = words[at + STATE] as number;
        if ((state & (RecordState.dead | RecordState.tombstone | RecordState.purged)) === 0)
          found(words[at + LENGTH] as number);
        offset += words[at + LENGTH] as number;
      }
      yield;
    }
  }

  /**
   * Appends a record and makes it the key's entry; the last call must have been `find` for this key, and there must be room.
   * The caller then copies the value to where `view` says. `fields.state` has the record's first `RecordState` bits.
   */
  append(
    hash: number,
    key: KeySlice,
    fields: RecordFields,
    valueLength: number,
    accessSeconds: number,
    replaced: number,
    view: CachedEntry,
  ): number {
    const { state, flags, expire, version } = fields;
    const kind = kindOfState(state);
    const keyLength = key.end - key.start;
    const length = this.recordBytes(
      state & RecordState.tombstone ? CurrentKind.tombstone : CurrentKind.value,
      keyLength,
      flags,
      valueLength,
    );
    const block = this.#reserve(length);
    const offset = block.used;
    block.used = offset + length;
    this.#appendedBytes += length;
    this.liveBytes += length;
    this.#lastSeconds = accessSeconds;
    if (state & RecordState.dirty) this.dirtyBytes += length;
    if (state & RecordState.tombstone) this.tombstones++;

    const { bytes, words } = block;
    const headStart = offset + HEADER_BYTES;
    writePrefix(bytes, headStart);
    let at = copyBytes(bytes, headStart + PREFIX_BYTES, key.bytes, key.start, key.end);
    view.keyStart = headStart + PREFIX_BYTES;
    view.keyEnd = at;
    if ((state & RecordState.tombstone) === 0) {
      bytes[at++] = SPACE;
      at = writeDecimal(bytes, at, flags);
      bytes[at++] = SPACE;
      at = writeDecimal(bytes, at, valueLength);
      bytes[at] = CR;
      bytes[at + 1] = LF;
      bytes[at + 2 + valueLength] = CR;
      bytes[at + 3 + valueLength] = LF;
    }
    const w = offset >> 2;
    words[w + LENGTH] = length;
    words[w + HASH] = hash;
    words[w + KEY_AND_HEAD] = keyLength | ((at - headStart) << 16);
    words[w + FLAGS] = flags;
    words[w + VALUE_LENGTH] = valueLength;
    words[w + EXPIRE] = expire;
    words[w + VERSION_LOW] = lowWord(version);
    words[w + VERSION_HIGH] = highWord(version);
    words[w + STATE] = state;
    words[w + ACCESS] = accessSeconds;

    view.bytes = bytes;
    view.headStart = headStart;
    view.headEnd = at;
    view.valueStart = at + 2;
    view.valueEnd = at + 2 + valueLength;
    view.flags = flags;
    view.expire = expire;
    view.version = version;
    view.marks = marksOfState(state);
    view.fetched = (state & RecordState.fetched) !== 0;
    view.accessSeconds = accessSeconds;
    view.kind = kind;
    view.stable = block.isLarge;

    const location = (block.id << OFFSET_BITS) | (offset >> 3);
    if (replaced === 0) this.#index.insert(this.#slot, hash, location);
    else {
      // The index may have grown since `find`, when the replaced record itself was inserted in between.
      if (this.#index.slots[this.#slot * 2 + 1] !== replaced) this.#slot = this.#index.slotOf(hash, replaced);
      this.#index.slots[this.#slot * 2 + 1] = location;
      this.#kill(replaced);
    }
    return location;
  }

  /** Undoes an append: the key's entry is again `previous`, the dirty record it replaced, or (0) not in the arena. */
  undo(location: number, previous: number): void {
    const block = this.#blocks[location >>> OFFSET_BITS] as Block;
    const hash = block.words[(((location & OFFSET_MASK) << 3) >> 2) + HASH] as number;
    const slot = this.#index.slotOf(hash, location);
    if (previous === 0) this.#index.remove(slot);
    else {
      this.#index.slots[slot * 2 + 1] = previous;
      const words = (this.#blocks[previous >>> OFFSET_BITS] as Block).words;
      const at = ((previous & OFFSET_MASK) << 3) >> 2;
      words[at + STATE] = (words[at + STATE] as number) & ~RecordState.dead;
      this.liveBytes += words[at + LENGTH] as number;
      if ((words[at + STATE] as number) & RecordState.tombstone) this.tombstones++;
      this.dirtyBytes += words[at + LENGTH] as number;
    }
    this.#kill(location);
  }

  // ------------------------------------------------------------------------------------------------ checkpoint

  /** The current heads: a checkpoint that reaches them has everything stored so far. */
  mark(): CacheMark {
    const head = this.#small.head;
    return { smallSequence: head?.sequence ?? 0, smallOffset: head?.used ?? 0, largeSequence: this.#large.head?.sequence ?? 0 };
  }

  /** The age of the oldest block that may have records which are not in the engine; compare it with a later `evictedTo`. */
  get dirtyFrom(): number {
    const { flushBlock: small } = this.#small;
    const { flushBlock: large } = this.#large;
    return Math.min(small?.sequence ?? Number.POSITIVE_INFINITY, large?.sequence ?? Number.POSITIVE_INFINITY);
  }

  /** Collects the next dirty records up to `mark` in `batch`; they stay dirty until `completeBatch`. */
  takeBatch(mark: CacheMark): void {
    const { batch } = this;
    batch.begin();
    const smallDone = this.#small.collect(batch, mark.smallSequence, mark.smallOffset);
    const largeDone = this.#large.collect(batch, mark.largeSequence, Number.MAX_SAFE_INTEGER);
    batch.reachesMark = smallDone && largeDone;
  }

  /** Calls `visit` with the location of each live record that is not in the engine. */
  eachDirty(visit: (location: number) => void): void {
    this.#small.eachDirty(visit);
    this.#large.eachDirty(visit);
  }

  /** The batch is in the engine: marks its records as clean and moves the flush pointer past them. */
  completeBatch(): void {
    const { batch } = this;
    for (let i = 0; i < batch.count; i++) {
      const location = batch.locations[i] as number;
      const words = (this.#blocks[location >>> OFFSET_BITS] as Block).words;
      const at = ((location & OFFSET_MASK) << 3) >> 2;
      const state = words[at + STATE] as number;
      words[at + STATE] = state & ~(RecordState.dirty | RecordState.inFlight | ENGINE_BITS);
      if (state & RecordState.dead) continue;
      this.dirtyBytes -= words[at + LENGTH] as number;
      if (state & RecordState.purged) this.#drop(words, at, location);
    }
    this.#small.passBatch();
    this.#large.passBatch();
    batch.end();
  }

  // -------------------------------------------------------------------------------------------------- internals

  #mayAllocate(byteLength: number): boolean {
    if (this.#allocatedBytes + byteLength > this.#bytesMax) return false;
    return this.#freeIds.length > 0 || this.#blocks.length <= BLOCK_IDS_MAX;
  }

  #allocate(byteLength: number, isLarge: boolean): Block {
    const id = this.#freeIds.pop() ?? this.#blocks.length;
    const block = new Block(id, byteLength, this.#nextSequence++, isLarge);
    this.#blocks[id] = block;
    this.#allocatedBytes += byteLength;
    return block;
  }

  #free(block: Block): void {
    this.#blocks[block.id] = undefined;
    this.#freeIds.push(block.id);
    this.#allocatedBytes -= block.bytes.length;
  }

  /** The block to append to: a new one for a large record, else the head or a new head. */
  #reserve(recordBytes: number): Block {
    if (recordBytes > this.#largeBytesMin) {
      const block = this.#allocate(recordBytes, true);
      this.#large.push(block);
      return block;
    }
    const head = this.#small.head;
    if (head !== undefined && head.used + recordBytes <= head.bytes.length) return head;
    const block = this.#allocate(this.#blockBytes, false);
    this.#small.push(block);
    return block;
  }

  #kill(location: number): void {
    const words = (this.#blocks[location >>> OFFSET_BITS] as Block).words;
    const at = ((location & OFFSET_MASK) << 3) >> 2;
    const state = words[at + STATE] as number;
    words[at + STATE] = state | RecordState.dead;
    this.liveBytes -= words[at + LENGTH] as number;
    if (state & RecordState.tombstone) this.tombstones--;
    if (state & RecordState.dirty) this.dirtyBytes -= words[at + LENGTH] as number;
  }

  /** Removes a clean record from the index. */
  #drop(words: Int32Array, at: number, location: number): void {
    this.#index.remove(this.#index.slotOf(words[at + HASH] as number, location));
    const state = words[at + STATE] as number;
    words[at + STATE] = state | RecordState.dead;
    if (state & RecordState.tombstone) this.tombstones--;
    this.liveBytes -= words[at + LENGTH] as number;
  }

  /** Drops a record to make room. */
  #evict(words: Int32Array, at: number, location: number): void {
    const state = words[at + STATE] as number;
    if ((state & RecordState.tombstone) === 0) {
      this.evictions++;
      if ((state & RecordState.fetched) === 0) this.evictedUnfetched++;
      else if (state & RecordState.referenced) this.evictedActive++;
      if (words[at + EXPIRE] !== 0) this.evictedNonzero++;
      this.evictedIdleSeconds = Math.max(0, this.#lastSeconds - ((words[at + ACCESS] as number) >>> 0));
      if (this.onEvicted !== undefined) this.onEvicted(location);
    }
    this.#drop(words, at, location);
  }

  /** A block from before a change of size may be too small to be reused. */
  #isReusable(block: Block): boolean {
    return block.bytes.length === this.#blockBytes && this.#allocatedBytes <= this.#bytesMax;
  }

  #oldestAccess(): number {
    const tail = this.#small.tail;
    if (tail === undefined) return 0;
    for (let offset = 0; offset < tail.used; ) {
      const at = offset >> 2;
      if (((tail.words[at + STATE] as number) & (RecordState.dead | RecordState.tombstone)) === 0) {
        return (tail.words[at + ACCESS] as number) >>> 0;
      }
      offset += tail.words[at + LENGTH] as number;
    }
    return 0;
  }

  #oldestEvictable(mayForgetDead: boolean): BlockRing | undefined {
    const small = this.#small;
    const large = this.#large;
    const smallSequence = this.#isEvictable(small, mayForgetDead) ? (small.tail as Block).sequence : Number.POSITIVE_INFINITY;
    const largeSequence = this.#isEvictable(large, mayForgetDead) ? (large.tail as Block).sequence : Number.POSITIVE_INFINITY;
    if (smallSequence === largeSequence) return undefined;
    return smallSequence < largeSequence ? small : large;
  }

  /** Not the head block, and not a block that the flush pointer has not passed. */
  #isEvictable(ring: BlockRing, mayForgetDead: boolean): boolean {
    const tail = ring.tail;
    if (tail === undefined || (ring === this.#small && tail === ring.head)) return false;
    if (ring.flushBlock === tail && !this.batch.isInFlight) ring.skipClean(mayForgetDead);
    const flush = ring.flushBlock as Block;
    return flush !== tail || (ring.flushOffset >= tail.used && !this.batch.isInFlight);
  }

  /** Drops all entries of a block that has left its ring. */
  #clear(block: Block): Block {
    const { words } = block;
    this.evictedTo = Math.max(this.evictedTo, block.sequence);
    for (let offset = 0; offset < block.used; ) {
      const at = offset >> 2;
      if (((words[at + STATE] as number) & RecordState.dead) === 0) {
        this.#evict(words, at, (block.id << OFFSET_BITS) | (offset >> 3));
      }
      offset += words[at + LENGTH] as number;
    }
    return block;
  }

  /** A large value used since it was appended moves to the head once more; else its memory is freed. */
  #evictLarge(): void {
    const block = this.#large.shift();
    const state = block.words[STATE] as number;
    if ((state & (RecordState.dead | RecordState.referenced)) === RecordState.referenced) {
      block.words[STATE] = state & ~RecordState.referenced;
      block.sequence = this.#nextSequence++;
      this.#appendedBytes += block.used;
      this.spared++;
      this.#large.push(block);
    } else this.#free(this.#clear(block));
  }

  /**
   * Makes a block the new head: entries used since they were appended move to its front, at most half of it; the rest is
   * dropped.
   */
  #recycle(block: Block): void {
    const { bytes, words } = block;
    this.evictedTo = Math.max(this.evictedTo, block.sequence);
    const keptMax = bytes.length / 2;
    let kept = 0;
    for (let offset = 0; offset < block.used; ) {
      const at = offset >> 2;
      const state = words[at + STATE] as number;
      const length = words[at + LENGTH] as number;
      if ((state & RecordState.dead) === 0) {
        const location = (block.id << OFFSET_BITS) | (offset >> 3);
        if (state & RecordState.referenced && kept + length <= keptMax) {
          const slot = this.#index.slotOf(words[at + HASH] as number, location);
          this.#index.slots[slot * 2 + 1] = (block.id << OFFSET_BITS) | (kept >> 3);
          words[at + STATE] = state & ~RecordState.referenced;
          bytes.copyWithin(kept, offset, offset + length);
          kept += length;
          this.spared++;
        } else {
          this.#evict(words, at, location);
        }
      }
      offset += length;
    }
    block.used = kept;
    block.sequence = this.#nextSequence++;
    this.#appendedBytes += kept;
    this.#small.push(block);
  }
}
