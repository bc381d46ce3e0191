/** The answer of a node that a key belongs to another one, as an error: nothing was executed. */

import { FlareError } from "../../base/errors.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import { type MovedAnswer, movedLine, parseMoved } from "../../protocol/forward_request.ts";
import type { ClientReply } from "../../protocol/text/text_client.ts";

/** Fetches a node map of at least this version; resolves when this node has it, or cannot have it for now. */
export type ReachMap = (version: Uint64) => Promise<void>;

export class Moved extends PeerError {
  readonly answer: MovedAnswer;

  constructor(answer: MovedAnswer) {
    super(new FlareError("REFUSED", `it answered "${movedLine(answer)}"`, { retriable: true }), false);
    this.answer = answer;
  }
}

/** The reply to a forwarded request. @throws Moved */
export function unlessMoved(reply: ClientReply): ClientReply {
  const answer = parseMoved(reply.line);
  if (answer !== undefined) throw new Moved(answer);
  return reply;
}
