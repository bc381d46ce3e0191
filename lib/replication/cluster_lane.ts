/**
 * One of the connections to a node of another cluster: writes go out in order and stay queued until they are answered, so that
 * a broken connection or a busy cluster loses nothing. All of them can be sent again, because they carry the complete value and
 * its version. Knows lines and replies, not what they mean.
 */

import type { FlareError } from "../base/errors.ts";
import type { Peer } from "../net/peer/peer.ts";
import { ReplyShape } from "../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";

/** What a lane tells its owner. */
export interface ClusterLaneOwner {
  /** A write was answered with `line`, perhaps with its own error; it is removed from the lane. */
  onAnswered(line: string, bytes: number): void;
  /** The other cluster does not answer, or cannot write; everything will be sent again after a pause. */
  onTrouble(reason: string): void;
}

/** Most writes in flight. */
const WINDOW = 1024;
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30000;

export class ClusterLane {
  readonly #runtime: Runtime;
  readonly #peer: Peer;
  readonly #owner: ClusterLaneOwner;
  /** Unanswered writes, oldest first, from `#head` on. */
  readonly #lines: Uint8Array[] = [];
  #head = 0;
  /** How many of them are in flight. */
  #sent = 0;
  /** Incremented by every attempt: answers to earlier ones are ignored. */
  #attempt = 0;
  #pauseMs = PAUSE_MS_MIN;
  #timer: Timer | undefined;
  #closed = false;

  constructor(runtime: Runtime, peer: Peer, owner: ClusterLaneOwner) {
    this.#runtime = runtime;
    this.#peer = peer;
    this.#owner = owner;
  }

  /** Unanswered writes. */
  get length(): number {
    return this.#lines.length - this.#head;
  }

  /** Queues a write; the lane keeps the memory. */
  push(line: Uint8Array): void {
    this.#lines.push(line);
    this.#pump();
  }

  /**
   * Drops all queued writes except the oldest, which detects when the other cluster answers again; returns the bytes dropped.
   */
  forget(): number {
    const dropped = this.#lines.splice(this.#head + 1);
    this.#attempt++;
    this.#retryLater();
    return dropped.reduce((sum, line) => sum + line.length, 0);
  }

  close(): void {
    this.#closed = true;
    this.#attempt++;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#peer.close();
  }

  #pump(): void {
    if (this.#closed || this.#timer !== undefined) return;
    while (this.#sent < this.length && this.#sent < WINDOW) {
      const line = this.#lines[this.#head + this.#sent] as Uint8Array;
      this.#sent++;
      const attempt = this.#attempt;
      this.#peer.request(line, ReplyShape.line).then(
        (reply) => this.#answered(attempt, reply.line),
        (error: FlareError) => this.#failed(attempt, error.message),
      );
    }
  }

  #answered(attempt: number, line: string): void {
    if (attempt !== this.#attempt) return;
    if (line.startsWith("SERVER_ERROR")) return this.#failed(attempt, `it answers "${line}"`);
    const bytes = (this.#lines[this.#head] as Uint8Array).length;
    this.#head++;
    this.#sent--;
    this.#pauseMs = PAUSE_MS_MIN;
    if (this.#head === this.#lines.length || this.#head > WINDOW) {
      this.#lines.splice(0, this.#head);
      this.#head = 0;
    }
    this.#owner.onAnswered(line, bytes);
    this.#pump();
  }

  #failed(attempt: number, reason: string): void {
    if (attempt !== this.#attempt || this.#closed) return;
    this.#attempt++;
    this.#owner.onTrouble(reason);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#sent = 0;
    if (this.#timer !== undefined || this.#closed || this.length === 0) return;
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#timer = undefined;
      this.#pump();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
  }
}
