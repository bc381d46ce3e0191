/**
 * Group commit: all changes of an event loop turn share one append to the log, and with the policy `always` all turns that end
 * during a sync share the next one. Calls the listeners in order of registration. Does not know what the changes are; its owner
 * rolls them back after a failed append.
 */

import { FlareError } from "../../base/errors.ts";
import { Histogram } from "../../base/histogram.ts";
import { sleep } from "../../base/sleep.ts";
import type { Clock, Log, Timer } from "../../runtime/runtime.ts";
import { FsyncPolicy } from "../storage_options.ts";
import type { ChangeLog } from "./change_log.ts";
import type { LogBlock } from "./log_block.ts";

/** The pause before a sync that lacked a descriptor is retried. */
const SYNC_RETRY_MS = 100;

/** Called when the changes it applied are committed. */
export interface CommitListener {
  /**
   * With an error nothing of it is stored, or it is in doubt (a failed sync); the message is for SERVER_ERROR.
   * @param storedMs of a listener that waits for replicas after that: when it was committed here, by the monotonic clock
   */
  onCommitted(error?: FlareError, storedMs?: number): void;
}

/** What a commit group tells its owner. */
export interface CommitOwner {
  /** The pending changes are in the log. A listener that it returns is the first to learn of their commit. */
  onAppended(block: LogBlock | undefined): CommitListener | undefined;
  /** The append failed: the pending changes must be rolled back. */
  onAppendFailed(error: FlareError): void;
  /** Everything that was in the log when a sync began is on disk. */
  onSynced(): void;
  /** Durability cannot be guaranteed until a restart. */
  onFailure(error: FlareError): void;
}

/** What it takes of the machine. */
interface CommitMachine {
  readonly clock: Clock;
  readonly log: Log;
}

/** What an append may lack and later have: it failed alone. */
const TRANSIENT: ReadonlySet<string> = new Set(["DISK_FULL", "LIMIT_EXCEEDED"]);

export class CommitGroup {
  /** From the first change of a turn until all of it is committed, by the policy. */
  readonly commitTimes = new Histogram();
  /** Of syncs of the log. */
  readonly syncTimes = new Histogram();
  readonly #runtime: CommitMachine;
  readonly #changeLog: ChangeLog;
  readonly #fsync: FsyncPolicy;
  readonly #intervalMs: number;
  readonly #owner: CommitOwner;
  readonly #onTurnEnd: () => void;
  #turn: CommitListener[] = [];
  /** Listeners of the running sync, and of the next one. */
  #inSync: CommitListener[] = [];
  #awaitingSync: CommitListener[] = [];
  #syncDue = false;
  #syncing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #closed = false;
  /** True between a change and its append. */
  hasPending = false;
  /** When it began. */
  #pendingSinceMs = 0;
  /** The newest change that is committed by the policy. */
  committedSequence: number;
  /** The newest one in the log. */
  #appendedSequence: number;
  /** The failed sync that leaves the changes since the last one in doubt. */
  #fault: FlareError | undefined;

  constructor(runtime: CommitMachine, log: ChangeLog, fsync: FsyncPolicy, intervalMs: number, owner: CommitOwner) {
    this.#runtime = runtime;
    this.#changeLog = log;
    this.#fsync = fsync;
    this.#intervalMs = intervalMs;
    this.#owner = owner;
    this.#appendedSequence = log.lastSequence;
    this.committedSequence = log.lastSequence;
    this.#onTurnEnd = () => this.commit();
  }

  /** A change was put into the log's buffer: schedules the append at the end of this turn. */
  begin(): void {
    if (this.hasPending) return;
    this.hasPending = true;
    this.#pendingSinceMs = this.#runtime.clock.monotonicMs();
    this.#runtime.clock.defer(this.#onTurnEnd);
  }

  /** Calls the listener when everything so far is committed; at once if it already is. */
  onCommit(listener: CommitListener): void {
    if (this.hasPending) this.#turn.push(listener);
    else if (this.#fsync !== FsyncPolicy.always || this.#syncing === undefined) listener.onCommitted(this.#fault);
    else if (this.#syncDue) this.#awaitingSync.push(listener);
    else this.#inSync.push(listener);
  }

  /** Appends pending changes. Call it only at the start of a turn, never between a change and its `onCommit`. */
  commit(): void {
    if (!this.hasPending) return;
    this.hasPending = false;
    const listeners = this.#turn;
    this.#turn = [];
    let block: LogBlock | undefined;
    try {
      if (this.#changeLog.hasPending) block = this.#changeLog.append();
    } catch (error) {
      const fault = error as FlareError;
      this.#owner.onAppendFailed(fault);
      if (!TRANSIENT.has(fault.code)) this.#owner.onFailure(fault);
      // Changes of earlier turns may still wait for a sync: their listeners come first.
      for (const listener of listeners) this.onCommit({ onCommitted: () => listener.onCommitted(fault) });
      return;
    }
    this.#appendedSequence = this.#changeLog.lastSequence;
    if (this.#fsync !== FsyncPolicy.always) this.committedSequence = this.#appendedSequence;
    const first = this.#owner.onAppended(block);
    if (first !== undefined) listeners.unshift(first);
    if (this.#fsync === FsyncPolicy.always) {
      this.#awaitingSync.push(this.#timed());
      for (const listener of listeners) this.#awaitingSync.push(listener);
      this.#requestSync();
      return;
    }
    this.commitTimes.observeMs(this.#runtime.clock.monotonicMs() - this.#pendingSinceMs);
    for (const listener of listeners) listener.onCommitted();
    if (this.#fsync === FsyncPolicy.interval && this.#timer === undefined && !this.#closed) {
      this.#timer = this.#runtime.clock.setTimer(() => {
        this.#timer = undefined;
        this.#requestSync();
      }, this.#intervalMs);
    }
  }

  /** Notes how long the changes of this turn take until they are synced. */
  #timed(): CommitListener {
    const sinceMs = this.#pendingSinceMs;
    return {
      onCommitted: (error) => {
        if (error === undefined) this.commitTimes.observeMs(this.#runtime.clock.monotonicMs() - sinceMs);
      },
    };
  }

  /** Syncs the log whatever the policy; resolves when it is on disk, or has failed. */
  sync(): Promise<void> {
    return new Promise((resolve) => {
      this.#awaitingSync.push({ onCommitted: () => resolve() });
      this.#requestSync();
    });
  }

  /** Commits, and syncs unless the policy leaves that to the system; resolves when nothing is in flight. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.commit();
    if (this.#fsync === FsyncPolicy.interval) this.#requestSync();
    while (this.#syncing !== undefined) await this.#syncing;
  }

  /** One sync at a time; requests during a sync share the next one. */
  #requestSync(): void {
    this.#syncDue = true;
    if (this.#syncing !== undefined) return;
    this.#syncing = this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    try {
      while (this.#syncDue) {
        this.#syncDue = false;
        this.#inSync = this.#awaitingSync;
        this.#awaitingSync = [];
        const fault = await this.#syncOnce();
        // Listeners may be added during the loop.
        for (let i = 0; i < this.#inSync.length; i++) this.#inSync[i]?.onCommitted(fault);
        this.#inSync = [];
      }
    } finally {
      // In the same step as the last call and the last check of what is due, so that no listener in between is missed.
      this.#syncing = undefined;
    }
  }

  async #syncOnce(): Promise<FlareError | undefined> {
    // What a failed sync left in doubt may never reach the disk, and what is behind it in the log cannot be read then.
    if (this.#fault !== undefined) return this.#fault;
    const appended = this.#appendedSequence;
    const fault = await this.#syncLog();
    if (fault === undefined) {
      if (this.#fsync === FsyncPolicy.always) this.committedSequence = appended;
      this.#owner.onSynced();
    } else if (fault.code !== "LIMIT_EXCEEDED") {
      if (this.#fsync === FsyncPolicy.always) this.#fault = fault;
      this.#owner.onFailure(fault);
    }
    return fault;
  }

  /** Returns the error. A sync that lacked a descriptor has not failed: it is retried until there is one, or we close. */
  async #syncLog(): Promise<FlareError | undefined> {
    const { clock, log } = this.#runtime;
    for (let attempt = 1; ; attempt++) {
      try {
        const sinceMs = clock.monotonicMs();
        await this.#changeLog.sync();
        this.syncTimes.observeMs(clock.monotonicMs() - sinceMs);
        if (attempt > 1) log.write("notice", "change log sync works again");
        return undefined;
      } catch (error) {
        const fault =
          error instanceof FlareError ? error : new FlareError("IO_ERROR", "change log sync failed", { cause: error });
        if (fault.code !== "LIMIT_EXCEEDED" || this.#closed) return fault;
        if (attempt === 1) log.write("warning", `change log cannot be synced, retrying: ${fault.message}`);
      }
      await sleep(clock, SYNC_RETRY_MS);
    }
  }
}
