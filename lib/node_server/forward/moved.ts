/** The answer of a node that a key belongs to another one, as an error: nothing was executed. */

import { FlareError } from "../../base/errors.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import { type MovedAnswer, movedLine, parseMoved } from "../../protocol/forward_request.ts";
import type { ClientReply } from "../../protocol/text/text_client.ts";

export class Moved extends PeerError {
  readonly answer: MovedAnswer;

  constructor(answer: MovedAnswer) {
    super(new FlareError("REFUSED", `it answered "${movedLine(answer)}"`, { retriable: true }), false);
    this.answer = answer;
  }
}

/** The reply to a forwarded write. @throws Moved */
export function unlessMoved(reply: ClientReply): ClientReply {
  const answer = parseMoved(reply.line);
  if (answer !== undefined) throw new Moved(answer);
  return reply;
}
