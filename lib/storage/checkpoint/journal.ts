/**
 * Makes changes durable, or rolls them back: the change log, the group commit that appends to it once per turn, and the undo
 * list for a failed append. A storage without a data directory needs one only if somebody follows its log. Does not know what
 * the changes mean.
 */

import type { FlareError } from "../../base/errors.ts";
import type { Clock, Log } from "../../runtime/runtime.ts";
import type { UndoList } from "../arena/undo_list.ts";
import { ChangeLog, type LogMachine, type StateNote } from "../log/change_log.ts";
import { CommitGroup, type CommitListener } from "../log/commit_group.ts";
import { type Deliveries, type Delivery, encodeDelivery } from "../log/deliveries.ts";
import type { LogBlock } from "../log/log_block.ts";
import type { FlushCause } from "../log/log_record.ts";
import type { LogRecovery } from "../log/log_recovery.ts";
import { encodeMark, type Mark, type Position, type Positions } from "../log/positions.ts";
import { encodeStamp } from "../log/time_stamp.ts";
import type { StorageSettings } from "../storage_options.ts";
import type { LogPlace } from "./checkpointer.ts";

/** What a journal tells the storage. */
export interface JournalOwner {
  /** The current flush generation, and for when the next flush is planned. */
  readonly flushes: { readonly generation: number; readonly flushPlannedFor: number };
  /** The log segment was full, and a new one was begun. */
  onSegmentFull(): void;
  /** An append has failed because the disk is full. */
  onDiskFull(): void;
  /** More of the log is on disk, see `ChangeLog.syncedSegment`. */
  onSynced(): void;
  /** Durability cannot be guaranteed until a restart. */
  onFailure(error: FlareError): void;
}

/** Somebody who follows the log. */
export interface LogFollower {
  /** The changes of a turn are in the log. The listener that it returns learns of their commit, before their authors do. */
  onAppended(block: LogBlock): CommitListener;
}

export class Journal {
  readonly changes: ChangeLog;
  readonly commits: CommitGroup;
  readonly undo: UndoList;
  /** Of the storage in the logs of others. */
  readonly positions: Positions;
  /** Where other clusters are. */
  readonly deliveries: Deliveries;

  readonly #log: Log;
  readonly #clock: Clock;
  readonly #owner: JournalOwner;
  readonly #followers = new Set<LogFollower>();
  /** Those whose records are not appended yet. */
  readonly #marks: Mark[] = [];
  readonly #delivered: Delivery[] = [];
  /** The last attempt to begin a new log segment failed. */
  #isStuck = false;
  /** Of stamps; undefined = the log has none. */
  #label: string | undefined;
  /** Of the newest stamp. */
  #stampedSecond = 0;

  /** Continues after the segments that `recovery` has read. @throws FlareError DISK_FULL | IO_ERROR */
  constructor(
    runtime: LogMachine & { readonly clock: Clock; readonly log: Log },
    directory: string,
    settings: Pick<StorageSettings, "logSegmentBytes" | "fsync" | "fsyncIntervalMs">,
    recovery: Pick<LogRecovery, "segments" | "nextSequence">,
    undo: UndoList,
    positions: Positions,
    deliveries: Deliveries,
    owner: JournalOwner,
  ) {
    this.#log = runtime.log;
    this.#clock = runtime.clock;
    this.#owner = owner;
    this.undo = undo;
    this.positions = positions;
    this.deliveries = deliveries;
    this.changes = ChangeLog.open(runtime, directory, settings.logSegmentBytes, recovery.segments, recovery.nextSequence);
    this.commits = new CommitGroup(runtime, this.changes, settings.fsync, settings.fsyncIntervalMs, {
      onAppended: (block) => this.#onAppended(block),
      onSynced: () => this.#owner.onSynced(),
      onAppendFailed: (error) => this.#onAppendFailed(error),
      onFailure: (error) => this.#owner.onFailure(error),
    });
    this.#repeatNotes();
  }

  /** Passes what is appended from now on to a follower, too. */
  follow(follower: LogFollower): void {
    this.#followers.add(follower);
    this.changes.keepsBlocks = true;
  }

  unfollow(follower: LogFollower): void {
    this.#followers.delete(follower);
    this.changes.keepsBlocks = this.#followers.size > 0;
  }

  /**
   * Records a flush that begins `generation`, if that differs from the current one, and when the next one is scheduled.
   */
  flush(generation: number, plannedFor: number, cause: FlushCause): void {
    this.undo.pushFlush();
    const note = { key: () => "", version: cause };
    this.changes.state(generation, plannedFor, generation !== this.#owner.flushes.generation, note);
    this.commits.begin();
  }

  /** Records that the storage now has what another's log has up to a position. */
  mark(position: Position): void {
    const mark = { ...position, at: this.changes.nextSequence };
    this.#writeNote(noteOfMark(mark));
    this.#marks.push(mark);
    this.commits.begin();
  }

  /** From now on the log says what is written in which second; `label` says what this node is. */
  stamp(label: string): void {
    if (label === this.#label) return;
    this.#label = label;
    this.#stampedSecond = 0;
    this.changes.onFirstChange = () => this.#writeStamp();
    this.#writeStamp();
    this.commits.begin();
  }

  #writeStamp(): void {
    const second = Math.floor(this.#clock.nowMs() / 1000);
    if (second === this.#stampedSecond) return;
    this.#stampedSecond = second;
    this.#writeNote({ key: () => encodeStamp(this.#label ?? ""), version: second });
  }

  /** Records what another cluster has. */
  deliver(delivery: Delivery): void {
    this.#writeNote(noteOfDelivery(delivery));
    this.#delivered.push(delivery);
    this.commits.begin();
  }

  #writeNote(note: StateNote): void {
    const { generation, flushPlannedFor } = this.#owner.flushes;
    this.changes.state(generation, flushPlannedFor, false, note);
  }

  /**
   * Begins a new log segment; returns the current position. If that fails no change fails with it: the old segment grows until
   * it works.
   */
  rotate(): LogPlace {
    let isNew = false;
    try {
      isNew = this.changes.rotate();
      if (this.#isStuck) this.#log.write("notice", "a new log segment was begun after all");
      this.#isStuck = false;
    } catch (error) {
      // Every append retries; log it once.
      if (!this.#isStuck)
        this.#log.write("warning", `cannot begin a new log segment, the old one grows: ${(error as FlareError).message}`);
      this.#isStuck = true;
    }
    const place = { sequence: this.changes.nextSequence, finishedSegment: this.changes.lastRotated };
    if (isNew) this.#repeatNotes();
    return place;
  }

  /** A segment says where the storage and other clusters are, whatever becomes of the older ones. */
  #repeatNotes(): void {
    const { chosen } = this.positions;
    const { all } = this.deliveries;
    for (const mark of chosen) this.#writeNote(noteOfMark(mark));
    for (const delivery of all) this.#writeNote(noteOfDelivery(delivery));
    if (chosen.length > 0 || all.length > 0) this.commits.begin();
  }

  #onAppended(block: LogBlock | undefined): CommitListener | undefined {
    this.undo.clear();
    for (const mark of this.#marks.splice(0)) this.positions.add(mark);
    for (const delivery of this.#delivered.splice(0)) this.deliveries.note(delivery);
    if (this.changes.isFull) {
      this.rotate();
      // Whatever the policy: a finished segment must be recorded, and must not keep its file descriptor.
      void this.commits.sync();
      this.#owner.onSegmentFull();
    }
    return block === undefined ? undefined : this.#tellFollowers(block);
  }

  #tellFollowers(block: LogBlock): CommitListener | undefined {
    const listeners = [...this.#followers].map((follower) => follower.onAppended(block));
    if (listeners.length < 2) return listeners[0];
    return {
      onCommitted: (error) => {
        for (const listener of listeners) listener.onCommitted(error);
      },
    };
  }

  #onAppendFailed(error: FlareError): void {
    this.#log.write("error", `changes rolled back: ${error.message}`);
    this.undo.rollBack();
    this.#marks.length = 0;
    this.#stampedSecond = 0;
    this.#delivered.length = 0;
    if (error.code === "DISK_FULL") this.#owner.onDiskFull();
  }
}

function noteOfMark(mark: Mark): StateNote {
  return { key: (sequence) => encodeMark(mark, sequence), version: mark.sequence };
}

function noteOfDelivery(delivery: Delivery): StateNote {
  return { key: () => encodeDelivery(delivery), version: delivery.sequence };
}
