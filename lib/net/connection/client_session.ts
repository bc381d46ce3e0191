/** A request handler's view of the connection of a request. Types only. */

import type { ReplySegment } from "../../protocol/reply_segment.ts";

export interface ClientSession {
  /** Increasing and never reused. */
  readonly id: number;
  /** `host:port` of the client. */
  readonly peer: string;
  /** The user the client has logged in as. */
  readonly user: string | undefined;
  /** Whether it connected to the admin address. */
  readonly isAdmin: boolean;
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
  /** For endless replies: sends what may leave now. */
  flush(): void;
  /** From now on the client only watches: it sends no more requests, and `stop` is called when it disconnects. */
  watch(stop: () => void): void;
  /** Calls back when the client disconnects, at once if it has; the returned function cancels that. */
  whenGone(listener: () => void): () => void;
  /** Closes the connection at once. */
  kill(): void;
}
