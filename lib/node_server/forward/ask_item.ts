/**
 * Sends a meta or binary request to another node: as a meta line if the node supports it, else as text. A node that takes
 * forwarded requests gets it without the list of nodes.
 */

import type { Peer } from "../../net/peer/peer.ts";
import type { RemoteOutcome } from "../../protocol/item_reply.ts";
import { encodeForwardedMeta } from "../../protocol/meta/meta_client.ts";
import type { Request } from "../../protocol/request.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { encodeTextFallback, parseTextAnswer } from "../../protocol/text/text_fallback.ts";
import { unlessMoved } from "./moved.ts";

/** The outcome from one of our nodes, a C++ node's reply, or undefined = the node cannot do it. */
export type ItemAnswer = RemoteOutcome | ClientReply | undefined;

/**
 * Sends the request; `prefix` as for `encodeForwardedMeta`.
 * @throws PeerError, Moved
 */
export async function askItem(lane: Peer, request: Request, prefix: string, nowSeconds: number): Promise<ItemAnswer> {
  if (await lane.takesForwards()) {
    return unlessMoved(await lane.request(encodeForwardedMeta(request, "", nowSeconds), ReplyShape.meta, "forward"));
  }
  if (await lane.speaksMeta()) {
    return lane.request(encodeForwardedMeta(request, prefix, nowSeconds), ReplyShape.meta, "meta");
  }
  const said = encodeTextFallback(request, prefix, nowSeconds);
  if (said === undefined) return undefined;
  return parseTextAnswer(request, await lane.request(said.bytes, said.shape));
}
