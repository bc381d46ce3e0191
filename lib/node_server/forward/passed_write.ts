/**
 * A client's write that is passed on to the node that owns its key, and its answer back, as they are: without a promise. Only
 * one that was certainly not executed is sent again.
 */

import type { ClusterNode } from "../../cluster/node.ts";
import type { KeySlice } from "../../item/entry.ts";
import type { LateReply } from "../../net/connection/client_session.ts";
import { PassedRequest } from "../../net/peer/peer.ts";
import type { FoundReply, PeerError } from "../../net/peer/peer_link.ts";
import { mayBeMoved } from "../../protocol/forward_request.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import { failureText } from "./refusals.ts";

/** Who has passed it on. */
export interface WriteOwner {
  /** It was not executed. */
  writeAgain(write: PassedWrite): Promise<void>;
}

export class PassedWrite extends PassedRequest {
  readonly shape = ReplyShape.line;
  readonly node: ClusterNode;
  /** The nodes it has passed, with brackets. */
  readonly list: string;
  /** The client gets no answer. */
  readonly noreply: boolean;
  readonly late: LateReply;
  readonly #owner: WriteOwner;

  /** @param isForward the node takes forwarded requests, and gets no list */
  constructor(node: ClusterNode, list: string, isForward: boolean, noreply: boolean, late: LateReply, owner: WriteOwner) {
    super();
    this.node = node;
    this.list = list;
    this.noreply = noreply;
    this.late = late;
    this.#owner = owner;
    if (isForward) this.needs = "forward";
  }

  answer(found: FoundReply): void {
    const { bytes, lineStart, lineEnd } = found;
    if (mayBeMoved(bytes, lineStart)) return this.#again();
    if (!this.noreply) {
      const { segment } = this.late.reply;
      segment.put(bytes, lineStart, lineEnd);
      segment.putText("\r\n");
    }
    this.late.done();
  }

  reject(error: PeerError): void {
    if (!error.mayHaveHappened) return this.#again();
    if (!this.noreply) this.late.reply.line(failureText(error));
    this.late.done();
  }

  get key(): KeySlice {
    return { bytes: this.bytes, start: this.keyStart, end: this.keyEnd };
  }

  /** What goes ahead of the request. */
  get sentList(): string {
    return this.needs === "forward" ? "" : this.list;
  }

  /** The request without it. */
  get line(): Uint8Array {
    return this.bytes.subarray(this.start + this.sentList.length, this.end);
  }

  #again(): void {
    this.late.follow(this.#owner.writeAgain(this));
  }
}
