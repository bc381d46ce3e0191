/**
 * The write path, top to bottom: look the key up, decide, make room, append to the arena, fill in the value, hand the record to
 * the journal. Never waits: an attempt that needs an engine read or room in the arena does nothing and says so. The sweeper and
 * recovery use the lower part of the same path.
 */

import { FlareError } from "../../base/errors.ts";
import { Change, Content, CurrentKind, type Decision, decide, emptyDecision } from "../../item/decide.ts";
import { decideWithTerms } from "../../item/decide_terms.ts";
import type { KeySlice } from "../../item/entry.ts";
import { type Applied, type Mutation, MutationKind, MutationResult, SyncMode } from "../../item/mutation.ts";
import { type CachedEntry, emptyEntry } from "../arena/cached_entry.ts";
import type { Keyspaces } from "../arena/keyspaces.ts";
import { copyEntry } from "../arena/private_entry.ts";
import { RecordFields } from "../arena/record_fields.ts";
import { engineBits, engineKindOfState, kindOfState, RecordState, stateOfMarks } from "../arena/record_state.ts";
import type { UndoList } from "../arena/undo_list.ts";
import type { Checkpointer } from "../checkpoint/checkpointer.ts";
import type { Journal } from "../checkpoint/journal.ts";
import { isDue } from "../checkpoint/sweeper.ts";
import { recordBits } from "../log/log_record.ts";
import type { StorageSettings } from "../storage_options.ts";
import { Attempt } from "./attempt.ts";
import type { KeyLookup } from "./key_lookup.ts";
import { RecentChanges } from "./recent_changes.ts";
import { ValueContent } from "./value_content.ts";

/** A checkpoint begins when 1/2 of the arena is pinned. */
const PINNED_PART = 2;

export class KeyWriter {
  /** The last appended record. */
  readonly written: CachedEntry = emptyEntry();
  /** What the next appended record says of its entry. */
  readonly fields = new RecordFields();
  /** The outcome of the last completed attempt. */
  readonly applied: Applied = { result: MutationResult.stored, entry: this.written, number: 0, error: "" };
  readonly recent = new RecentChanges();
  /** Set once recovery is done; without it changes are neither logged nor undone. */
  journal: Journal | undefined;
  /** Expired items that became tombstones, and those of them that were never read. */
  sweptItems = 0;
  sweptUnfetched = 0;

  readonly #keyspaces: Keyspaces;
  readonly #lookup: KeyLookup;
  readonly #undo: UndoList;
  readonly #checkpointer: Checkpointer;
  readonly #settings: StorageSettings;
  readonly #content = new ValueContent();
  readonly #decision = emptyDecision();

  constructor(keyspaces: Keyspaces, lookup: KeyLookup, undo: UndoList, checkpointer: Checkpointer, settings: StorageSettings) {
    this.#keyspaces = keyspaces;
    this.#lookup = lookup;
    this.#undo = undo;
    this.#checkpointer = checkpointer;
    this.#settings = settings;
  }

  /** Executes a write, if that is possible now, and leaves the outcome in `applied`. */
  attempt(mutation: Mutation, nowSeconds: number): Attempt {
    const { key } = mutation;
    const lookup = this.#lookup;
    const hash = this.#keyspaces.current.cache.hash(key.bytes, key.start, key.end);
    try {
      if (!lookup.lookUp(hash, key, nowSeconds)) return Attempt.load;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      if (error.code !== "CORRUPT" || !replacesUnseen(mutation)) {
        this.refuse(error.message);
        return Attempt.done;
      }
    }
    const decision = this.#decision;
    const { valueBytesMax } = this.#settings;
    if (mutation.terms === undefined) decide(lookup.current, mutation, nowSeconds, valueBytesMax, decision);
    else decideWithTerms(lookup.current, mutation, mutation.terms, nowSeconds, valueBytesMax, decision);
    if (decision.change !== Change.none) {
      const attempt = this.#carryOut(hash, key, decision, mutation, nowSeconds);
      if (attempt !== Attempt.done || this.applied.result === MutationResult.failed) return attempt;
    }
    this.applied.result = decision.result;
    this.applied.number = decision.number;
    return Attempt.done;
  }

  /** Makes `applied` a failure with `text` as the reason. */
  refuse(text: string): Applied {
    this.applied.result = MutationResult.failed;
    this.applied.error = text;
    return this.applied;
  }

  /** A copy of the last attempt's outcome with its own bytes. */
  ownApplied(): Applied {
    const { result, entry, number, error } = this.applied;
    const hasEntry = this.#decision.change !== Change.none && result !== MutationResult.failed;
    return { result, entry: hasEntry ? copyEntry(entry, emptyEntry()) : emptyEntry(), number, error };
  }

  /** Turns an expired item into a tombstone of the same version, and removes an expired tombstone. */
  attemptSweep(key: KeySlice, nowSeconds: number): Attempt {
    const { cache } = this.#keyspaces.current;
    const hash = cache.hash(key.bytes, key.start, key.end);
    try {
      if (!this.#lookup.lookUp(hash, key, nowSeconds)) return Attempt.load;
    } catch (error) {
      // Logged and counted where it was read; there is nothing to sweep.
      if (error instanceof FlareError) return Attempt.done;
      throw error;
    }
    const { kind, flags, expire, version, fetched } = this.#lookup.current;
    if (!isDue(kind, flags, expire, nowSeconds, this.#settings.tombstoneRetentionSeconds)) return Attempt.done;
    if (kind === CurrentKind.value) {
      const decision = this.#decision;
      decision.change = Change.remove;
      decision.flags = nowSeconds;
      decision.expire = 0;
      decision.version = version;
      const attempt = this.#carryOut(hash, key, decision, undefined, nowSeconds);
      if (attempt === Attempt.done) this.sweptItems++;
      if (attempt === Attempt.done && !fetched) this.sweptUnfetched++;
      return attempt;
    }
    // Not logged: if it is lost, the sweeper finds the tombstone again.
    const size = cache.recordBytes(CurrentKind.tombstone, key.end - key.start, 0, 0);
    this.fields.set(RecordState.dirty | RecordState.tombstone | RecordState.purged, 0, 0, 0);
    if (!this.append(hash, key, size, 0, nowSeconds)) return Attempt.room;
    this.journal?.commits.begin();
    return Attempt.done;
  }

  /**
   * Appends a dirty record for the key that was just looked up; false = no room. The entry of the lookup stays readable, and
   * `written` shows where the value belongs. `fields` are what is to be stored, without the bits of what the engine has.
   */
  append(hash: number, key: KeySlice, size: number, valueLength: number, nowSeconds: number): boolean {
    const { fields } = this;
    const lookup = this.#lookup;
    const keyspace = this.#keyspaces.current;
    const { cache } = keyspace;
    const before = lookup.storedKind;
    let { location } = lookup;
    let engineKind = before;
    if (location !== 0) engineKind = engineKindOfState(cache.state(location));
    if (!cache.fits(size)) {
      // Eviction may move or drop the very entry that is being changed.
      if (location !== 0 && !lookup.current.stable) copyEntry(lookup.current, lookup.current);
      if (!cache.makeRoom(size, this.#undo.isEmpty)) {
        this.#checkpointer.request();
        return false;
      }
      location = cache.find(hash, key.bytes, key.start, key.end);
    }
    const replacedDirty = location !== 0 && cache.state(location) & RecordState.dirty ? location : 0;
    fields.state |= engineBits(engineKind);
    const added = cache.append(hash, key, fields, valueLength, nowSeconds, location, this.written);
    keyspace.count(before, kindOfState(fields.state));
    if (this.journal !== undefined) this.#undo.push(added, replacedDirty, before);
    if (cache.pinnedBytes >= cache.bytesMax / PINNED_PART && !this.#checkpointer.isRunning) this.#checkpointer.request();
    return true;
  }

  /** Puts the decision into the arena and the journal; the key must just have been looked up. */
  #carryOut(hash: number, key: KeySlice, decision: Decision, mutation: Mutation | undefined, nowSeconds: number): Attempt {
    const { current } = this.#lookup;
    const { cache, generation } = this.#keyspaces.current;
    const isTombstone = decision.change === Change.remove;
    const valueLength = isTombstone ? 0 : this.#content.length(decision, current, mutation as Mutation);
    const kind = isTombstone ? CurrentKind.tombstone : CurrentKind.value;
    const { flags, expire, version, marks } = decision;
    // The current state may be overwritten by what is appended.
    const keepsVersion = !isTombstone && current.kind === CurrentKind.value && version === current.version;
    const size = cache.recordBytes(kind, key.end - key.start, flags, valueLength);
    this.applied.result = MutationResult.stored;
    if (size > cache.recordBytesMax) {
      this.refuse(`item exceeds half of the memory for items (${cache.recordBytesMax} bytes)`);
      return Attempt.done;
    }
    const keepsItem = decision.content === Content.current || decision.content === Content.number;
    const kindState = isTombstone ? RecordState.tombstone : stateOfMarks(marks, keepsItem && current.fetched);
    this.fields.set(RecordState.dirty | kindState, flags, expire, version);
    if (!this.append(hash, key, size, valueLength, nowSeconds)) return Attempt.room;
    const { written } = this;
    if (!isTombstone) this.#content.write(decision, current, mutation as Mutation, written.bytes, written.valueStart);
    const { journal } = this;
    if (journal === undefined) return Attempt.done;
    const bits = recordBits(keepsVersion, mutation?.syncMode ?? SyncMode.byDefault);
    if (isTombstone) journal.changes.delete(written, generation, bits);
    else journal.changes.put(written, generation, bits);
    this.recent.note(hash, journal.changes.lastSequence);
    journal.commits.begin();
    return Attempt.done;
  }
}

/** Writes that do not depend on the entry they replace. */
function replacesUnseen(mutation: Mutation): boolean {
  if (mutation.kind === MutationKind.set) return mutation.terms?.compare === undefined;
  if (mutation.kind === MutationKind.restore || mutation.kind === MutationKind.mirror) return true;
  if (mutation.kind === MutationKind.mirrorDeletion) return true;
  return mutation.kind === MutationKind.delete && mutation.version !== 0 && mutation.terms?.compare === undefined;
}
