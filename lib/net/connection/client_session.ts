/** What a request handler knows of the connection a request came by. Types only. */

import type { Segment } from "../../protocol/segment.ts";

export interface ClientSession {
  /** Grows and is never used again. */
  readonly id: number;
  /** `host:port` of the client. */
  readonly peer: string;
  /** The user the client has logged in as. */
  readonly user: string | undefined;
  /** Whether it came by the address of operators. */
  readonly isAdmin: boolean;
  /** Requests so far, the present one included. */
  readonly requests: number;
  /** True when the client has left: long replies stop. */
  readonly gone: boolean;
  /**
   * For long replies: sends what may leave. True = the client keeps up; false = wait with `roomInOutput` before writing more.
   * What stands behind `segment` does not count: it waits for whoever writes there.
   */
  makeRoom(segment?: Segment): boolean;
  /** Resolves when the client has taken enough for more to be written to `segment`, or is gone. */
  roomInOutput(segment: Segment): Promise<void>;
  /** Resolves when all that was written to a segment so far has left, or the client is gone. */
  sent(segment: Segment): Promise<void>;
  /** For replies without an end: sends what may leave now. */
  flush(): void;
  /** From now on the client only listens: it sends no more requests, and `stop` is called when it leaves. */
  watch(stop: () => void): void;
  /** Calls back when the client has left, at once if it has; the function it returns takes that back. */
  whenGone(listener: () => void): () => void;
  /** Ends the connection at once. */
  kill(): void;
}
