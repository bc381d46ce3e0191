/** A get of one key that is passed on to another node, and its answer back, as they are: without a promise, and copied once. */

import type { ClientSession, LateReply } from "../../net/connection/client_session.ts";
import { PassedRequest } from "../../net/peer/peer.ts";
import type { FoundReply } from "../../net/peer/peer_link.ts";
import type { Command } from "../../protocol/command.ts";
import type { ForwardedBy, Request } from "../../protocol/request.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";

/** Who has passed it on. */
export interface GetOwner {
  /** The client has its answer. */
  gotElsewhere(isHit: boolean): void;
  /** The node did not answer it: it is asked for in another way. */
  getAgain(get: PassedGet): Promise<void>;
}

const END = [0x45, 0x4e, 0x44];

export class PassedGet extends PassedRequest {
  readonly shape = ReplyShape.values;
  readonly command: Command;
  readonly forwardedBy: ForwardedBy | undefined;
  readonly session: ClientSession;
  readonly late: LateReply;
  readonly #owner: GetOwner;

  constructor({ command, forwardedBy }: Request, session: ClientSession, late: LateReply, owner: GetOwner) {
    super();
    this.command = command;
    this.forwardedBy = forwardedBy;
    this.session = session;
    this.late = late;
    this.#owner = owner;
  }

  answer(found: FoundReply): void {
    if (!isEnd(found)) return this.reject();
    this.late.reply.segment.put(found.bytes, found.start, found.end);
    this.#owner.gotElsewhere(found.lineStart > found.start);
    this.late.done();
  }

  reject(): void {
    this.late.follow(this.#owner.getAgain(this));
  }
}

/** Whether it ends with `END`, not with an error. */
function isEnd({ bytes, lineStart, lineEnd }: FoundReply): boolean {
  if (lineEnd - lineStart !== END.length) return false;
  for (let i = 0; i < END.length; i++) if (bytes[lineStart + i] !== END[i]) return false;
  return true;
}
