/**
 * ttl: how many seconds an item has left. Any replica answers it, through any node, and it does not count as a read. It is
 * forwarded as it is: a meta get (`mg <key> t`) would take the win token of a stale item.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { EntryView } from "../../item/entry.ts";
import type { Peer } from "../../net/peer/peer.ts";
import type { Request } from "../../protocol/request.ts";
import { faultLine, serverErrorLine } from "../../protocol/text/server_error.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { askNode } from "../forward/ask_node.ts";
import type { Answer, ReadForward } from "../forward/read_forward.ts";
import { nowSeconds } from "../node_components.ts";

/** What it needs from a node server. */
export interface TtlParts {
  readonly runtime: { readonly clock: Pick<Clock, "nowMs"> };
  readonly storage: Pick<Storage, "get">;
}

/** The answer of the original and of older nodes, which do not have the command. */
const UNKNOWN = "ERROR";

export class TtlCommand {
  readonly #parts: TtlParts;
  readonly #forward: ReadForward;

  constructor(parts: TtlParts, forward: ReadForward) {
    this.#parts = parts;
    this.#forward = forward;
  }

  /** `ttl <key>`. */
  ttl(request: Request, reply: TextReply): void | Promise<void> {
    return this.#forward.isHere(request.mutation.key) ? this.#here(request, reply) : this.#elsewhere(request.clone(), reply);
  }

  #here(request: Request, reply: TextReply): void | Promise<void> {
    const now = nowSeconds(this.#parts);
    try {
      const entry = this.#parts.storage.get(request.mutation.key, now, true);
      if (entry instanceof Promise) {
        // It is read again there: what may be shown at once now may not be then.
        entry.catch(() => undefined);
        return this.#elsewhere(request.clone(), reply);
      }
      reply.line(answerLine(entry, now));
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  async #elsewhere(request: Request, reply: TextReply): Promise<void> {
    const { key } = request.mutation;
    const line = fromLatin1(`ttl ${latin1(key.bytes, key.start, key.end)}\r\n`);
    try {
      const reading = await this.#forward.readItem(key, (lane) => ask(lane, line), request.forwardedBy, true);
      if ("entry" in reading) return reply.line(answerLine(reading.entry, nowSeconds(this.#parts)));
      reply.line("error" in reading ? reading.error : reading.value);
    } catch (error) {
      reply.line(faultLine(error));
    }
  }
}

/** @throws PeerError, Moved */
async function ask(lane: Peer, request: Uint8Array): Promise<Answer<string>> {
  const { line } = await askNode(lane, "", request, ReplyShape.line);
  if (line === UNKNOWN) return { error: serverErrorLine(`node "${lane.peer}" cannot execute this request`) };
  return line.startsWith("SERVER_ERROR ") ? { error: line } : { value: line };
}

function answerLine(entry: EntryView | undefined, nowSeconds: number): string {
  if (entry === undefined) return "NOT_FOUND";
  return `TTL ${entry.expire === 0 ? -1 : entry.expire - nowSeconds}`;
}
