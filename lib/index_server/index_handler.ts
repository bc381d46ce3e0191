/** What an index server does with requests: its commands are the rows of `index_command_table.ts`. */

import type { ClientSession } from "../net/connection/client_session.ts";
import type { RequestHandler } from "../net/connection/session_host.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import { indexCommandSet } from "./index_command_table.ts";
import type { IndexReplies } from "./index_replies.ts";

export class IndexHandler implements RequestHandler {
  readonly commands = indexCommandSet.words;
  readonly #replies: IndexReplies;

  constructor(replies: IndexReplies) {
    this.#replies = replies;
  }

  isPrivileged(request: Request): boolean {
    return indexCommandSet.isPrivileged(request);
  }

  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return indexCommandSet.run(this.#replies, request, reply, session);
  }
}
