/** A request handler's view of the connection of a request. Types only. */

import type { ReplySegment } from "../../protocol/reply_segment.ts";
import type { ForwardedBy, Request } from "../../protocol/request.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";

/** The reply to a request that is answered later. */
export interface LateReply {
  readonly reply: TextReply;
  /** It is complete; called once, unless it follows a promise. */
  done(): void;
  /** It is complete when the promise is settled. */
  follow(waiting: Promise<void>): void;
}

export interface ClientSession {
  /** Increasing and never reused. */
  readonly id: number;
  /** `host:port` of the client. */
  readonly peer: string;
  /** The user the client has logged in as. */
  readonly user: string | undefined;
  /** Whether it connected to the admin address. */
  readonly isAdmin: boolean;
  /** The name that the node at the other end has given this connection. */
  lane: string | undefined;
  /** Whether a request waits here for its answer; an answer that only waits for the client to read does not count. */
  readonly isAnswering: boolean;
  /** Requests so far, including the current one. */
  readonly requests: number;
  /** True when the client has disconnected: long replies stop. */
  readonly gone: boolean;
  /**
   * For long replies: sends what may leave. True = the client keeps up; false = wait with `roomInOutput` before writing more.
   * Bytes after `segment` do not count: they wait for this reply.
   */
  makeRoom(segment?: ReplySegment): boolean;
  /** Resolves when the client has read enough for more to be written to `segment`, or is gone. */
  roomInOutput(segment: ReplySegment): Promise<void>;
  /** Resolves when everything written to a segment so far has been sent, or the client is gone. */
  sent(segment: ReplySegment): Promise<void>;
  /**
   * The current request is answered later, without a promise; undefined = it is not the current one any more, so a promise must
   * answer it. Requests after it may be executed before; their replies wait.
   */
  answerLater(request: Request, reply: TextReply): LateReply | undefined;
  /** Requests without a node list that follow on this connection come from this node. */
  forwardsFrom(sender: ForwardedBy): void;
  /** For endless replies: sends what may leave now. */
  flush(): void;
  /** From now on the client only watches: it sends no more requests, and `stop` is called when it disconnects. */
  watch(stop: () => void): void;
  /** Calls back when the client disconnects, at once if it has; the returned function cancels that. */
  whenGone(listener: () => void): () => void;
  /** Notes in the log what this client, an operator, had done here, and what became of it. */
  audit(what: string, result: string): void;
  /** Closes the connection at once. */
  kill(): void;
}
