/**
 * One of the connections to a node of another cluster: changes go out in order and stay queued until they are answered, so that
 * a broken connection or a busy cluster loses nothing. All of them can be sent again, because they carry the complete value and
 * its version; a touch has none, so before one is repeated the lane asks whether its item is still there. Knows lines and
 * replies, not what they mean to the owner.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Change } from "./change_lines.ts";

/** What a lane tells its owner. */
export interface ClusterLaneOwner {
  /** A change was answered with `line`, perhaps with its own error; it is removed from the lane. */
  onAnswered(line: string, bytes: number): void;
  /** The other cluster does not answer, or cannot write; everything will be sent again after a pause. */
  onTrouble(reason: string): void;
}

/** Most changes in flight. */
const WINDOW = 1024;
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30000;
/** The line of a touch whose item has another version there, or is gone: nothing is to be done. */
const OBSOLETE = "NOT_FOUND";
const CR = 0x0d;

export class ClusterLane {
  readonly #runtime: Runtime;
  readonly #peer: Peer;
  readonly #owner: ClusterLaneOwner;
  /** Unanswered changes, oldest first, from `#head` on. */
  readonly #changes: Change[] = [];
  #head = 0;
  /** How many of them are in flight. */
  #sent = 0;
  /** The only one in flight is a touch that is repeated. */
  #isAsking = false;
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

  /** Unanswered changes. */
  get length(): number {
    return this.#changes.length - this.#head;
  }

  /** The oldest of them. */
  get oldest(): Change | undefined {
    return this.#changes[this.#head];
  }

  /** Queues a change; the lane keeps the memory. */
  push(change: Change): void {
    this.#changes.push(change);
    this.#pump();
  }

  /** Drops everything; answers that are still on their way are ignored. */
  clear(): void {
    this.#attempt++;
    this.#changes.length = 0;
    this.#head = 0;
    this.#sent = 0;
    this.#isAsking = false;
  }

  close(): void {
    this.#closed = true;
    this.clear();
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
    this.#peer.close();
  }

  #pump(): void {
    if (this.#closed || this.#timer !== undefined) return;
    while (this.#sent < this.length && this.#sent < WINDOW && !this.#isAsking) {
      const change = this.#changes[this.#head + this.#sent] as Change;
      const isAsked = change.touch !== undefined && change.isRepeated;
      // What is before it decides what its item is, and what is after it must not overtake it.
      if (isAsked && this.#sent > 0) return;
      this.#sent++;
      this.#isAsking = isAsked;
      const attempt = this.#attempt;
      const answer = isAsked ? this.#touchIfThere(change) : this.#peer.request(change.line, ReplyShape.line);
      change.isRepeated = true;
      answer.then(
        ({ line }) => this.#answered(attempt, line),
        (error: FlareError) => this.#failed(attempt, error.message),
      );
    }
  }

  /** Touches the item if it has the version that was touched: else a later write has set its expiry. */
  async #touchIfThere({ line, touch }: Change): Promise<Pick<ClientReply, "line">> {
    const found = await this.#peer.request(fromLatin1(`gets ${touch?.key}\r\n`), ReplyShape.values);
    if (found.body.length === 0) return { line: found.line === "END" ? OBSOLETE : found.line };
    return versionOf(found.body) === String(touch?.version) ? this.#peer.request(line, ReplyShape.line) : { line: OBSOLETE };
  }

  #answered(attempt: number, line: string): void {
    if (attempt !== this.#attempt) return;
    if (line.startsWith("SERVER_ERROR")) return this.#failed(attempt, `it answers "${line}"`);
    const bytes = (this.#changes[this.#head] as Change).line.length;
    this.#head++;
    this.#sent--;
    this.#isAsking = false;
    this.#pauseMs = PAUSE_MS_MIN;
    if (this.#head === this.#changes.length || this.#head > WINDOW) {
      this.#changes.splice(0, this.#head);
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
    this.#isAsking = false;
    if (this.#timer !== undefined || this.#closed || this.length === 0) return;
    this.#timer = this.#runtime.clock.setTimer(() => {
      this.#timer = undefined;
      this.#pump();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
  }
}

/** The version in `VALUE <key> <flags> <bytes> <version>`. */
function versionOf(body: Uint8Array): string | undefined {
  return latin1(body, 0, body.indexOf(CR)).split(" ")[4];
}
