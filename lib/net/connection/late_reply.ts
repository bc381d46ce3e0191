/**
 * The reply to a request that is answered later. It is complete with `done`, or with a promise to follow; then it leaves at the
 * end of the turn, together with others of its connection.
 */

import type { ReplySegment } from "../../protocol/reply_segment.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { LateReply } from "./client_session.ts";
import type { Claim } from "./outstanding.ts";
import type { SlowNote } from "./slow_requests.ts";

/** The connection that waits for it. */
export interface LateReplyOwner {
  /** @param note what was noted of the request when it began to wait; undefined = nothing */
  finish(segment: ReplySegment, claim: Claim, note: SlowNote | undefined): void;
  /** Answers a request that failed because of a bug. */
  failed(reply: TextReply, opcode: number, opaque: number, error: unknown): void;
}

export class PendingReply implements LateReply {
  readonly reply: TextReply;
  readonly #owner: LateReplyOwner;
  readonly #claim: Claim;
  readonly #opcode: number;
  readonly #opaque: number;
  readonly #note: SlowNote | undefined;

  constructor(
    owner: LateReplyOwner,
    reply: TextReply,
    claim: Claim,
    opcode: number,
    opaque: number,
    note: SlowNote | undefined,
  ) {
    this.#owner = owner;
    this.reply = reply;
    this.#claim = claim;
    this.#opcode = opcode;
    this.#opaque = opaque;
    this.#note = note;
  }

  done(): void {
    this.#owner.finish(this.reply.segment, this.#claim, this.#note);
  }

  follow(waiting: Promise<void>): void {
    waiting.then(
      () => this.done(),
      (error) => {
        this.#owner.failed(this.reply, this.#opcode, this.#opaque, error);
        this.done();
      },
    );
  }
}
