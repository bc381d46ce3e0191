/**
 * What makes changes durable, or takes them back: the change log, the group commit that appends to it once a turn, and
 * the list of what to undo when an append fails. A storage without a data directory has none. Knows nothing of what the
 * changes mean.
 */

import type { FlareError } from "../../base/errors.ts";
import type { Log, Runtime } from "../../runtime/runtime.ts";
import type { UndoList } from "../arena/undo_list.ts";
import { ChangeLog } from "../log/change_log.ts";
import { CommitGroup } from "../log/commit_group.ts";
import type { LogRecovery } from "../log/log_recovery.ts";
import type { StorageSettings } from "../storage_options.ts";
import type { LogPlace } from "./checkpointer.ts";

/** What a journal tells the storage. */
export interface JournalOwner {
  /** The log segment is full, and a new one was begun. */
  onSegmentFull(): void;
  /** More of the log is on the disk, see `ChangeLog.syncedSegment`. */
  onSynced(): void;
  /** Nothing can be promised any more until a restart. */
  onFailure(error: FlareError): void;
}

export class Journal {
  readonly changes: ChangeLog;
  readonly commits: CommitGroup;
  readonly undo: UndoList;

  readonly #log: Log;
  readonly #owner: JournalOwner;
  /** No new log segment could be begun of late. */
  #isStuck = false;

  /** Goes on behind the segments `recovery` has read. @throws FlareError DISK_FULL | IO_ERROR */
  constructor(
    runtime: Runtime,
    directory: string,
    settings: StorageSettings,
    recovery: LogRecovery,
    undo: UndoList,
    owner: JournalOwner,
  ) {
    this.#log = runtime.log;
    this.#owner = owner;
    this.undo = undo;
    this.changes = ChangeLog.open(runtime, directory, settings.logSegmentBytes, recovery.segments, recovery.nextSequence);
    this.commits = new CommitGroup(runtime, this.changes, settings.fsync, settings.fsyncIntervalMs, {
      onAppended: () => this.#onAppended(),
      onSynced: () => this.#owner.onSynced(),
      onAppendFailed: (error) => this.#onAppendFailed(error),
      onFailure: (error) => this.#owner.onFailure(error),
    });
  }

  /** Notes a flush that is about to begin `generation`, if that is another one than now, and when the next is planned. */
  flush(generation: number, plannedFor: number): void {
    this.undo.pushFlush();
    this.changes.flush(generation, plannedFor);
    this.commits.begin();
  }

  /**
   * Begins a new log segment; gives the place that is reached. A segment that cannot be begun is no fault of any change: the
   * old one grows until it works.
   */
  rotate(): LogPlace {
    try {
      this.changes.rotate();
      if (this.#isStuck) this.#log.write("notice", "a new log segment is begun after all");
      this.#isStuck = false;
    } catch (error) {
      // It is tried with every append: said once.
      if (!this.#isStuck) this.#log.write("warning", `no new log segment: ${(error as FlareError).message}`);
      this.#isStuck = true;
    }
    return { sequence: this.changes.nextSequence, finishedSegment: this.changes.lastRotated };
  }

  #onAppended(): void {
    this.undo.clear();
    if (!this.changes.isFull) return;
    this.rotate();
    // Whatever the policy: a segment that is finished is to be known, and not to keep its descriptor.
    void this.commits.sync();
    this.#owner.onSegmentFull();
  }

  #onAppendFailed(error: FlareError): void {
    this.#log.write("error", `changes taken back: ${error.message}`);
    this.undo.rollBack();
  }
}
