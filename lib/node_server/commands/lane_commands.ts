/**
 * `lane`: another node names its connection, and asks on another one whether requests on it are still being answered here; or
 * it, or an index server, says which node it means.
 */

import type { ClientSession } from "../../net/connection/client_session.ts";
import { LANE_BUSY, LANE_IDLE, LANE_OK, parseLane, strangerLine } from "../../protocol/lane_request.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";

export class LaneCommands {
  readonly #sessions: Iterable<Pick<ClientSession, "isAnswering" | "lane">>;
  readonly #selfKey: string;

  /** @param sessions all connections of the server */
  constructor(sessions: Iterable<Pick<ClientSession, "isAnswering" | "lane">>, selfKey: string) {
    this.#sessions = sessions;
    this.#selfKey = selfKey;
  }

  lane({ prefix, words }: Request, reply: TextReply, session: ClientSession): void {
    const asked = parseLane(prefix, words);
    if (asked === undefined) return reply.line(BAD_LINE);
    if (asked.verb === "ask") return reply.line(this.#isBusy(asked.name) ? LANE_BUSY : LANE_IDLE);
    const stranger = strangerLine(asked, this.#selfKey);
    if (stranger !== undefined) return reply.line(stranger);
    if (asked.verb === "meet") return reply.line(LANE_OK);
    // A connection of an earlier life of the node, which had the same name there.
    for (const each of this.#sessions) if (each.lane === asked.name) each.lane = undefined;
    session.lane = asked.name;
    reply.line(LANE_OK);
  }

  #isBusy(name: string): boolean {
    for (const { lane, isAnswering } of this.#sessions) if (lane === name && isAnswering) return true;
    return false;
  }
}
