/** `forward`: another node says that it forwards its clients' requests on this connection, and by which node map. */

import type { ClientSession } from "../../net/connection/client_session.ts";
import { FORWARD_OK, parseForward } from "../../protocol/forward_request.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";

export function takeForwards({ prefix, words }: Request, reply: TextReply, session: ClientSession): void {
  const sender = parseForward(prefix, words);
  if (sender === undefined) return reply.line(BAD_LINE);
  session.forwardsFrom(sender);
  reply.line(FORWARD_OK);
}
