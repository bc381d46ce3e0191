/**
 * Sends a request as a line to the node that is to answer it: as forwarded by us, or, to a node that does not know that, with
 * the list of the nodes it has passed.
 */

import { concatBytes, fromLatin1 } from "../../base/bytes.ts";
import type { Peer } from "../../net/peer/peer.ts";
import type { ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { unlessMoved } from "./moved.ts";

/**
 * @param list with brackets; empty for a read, which has none
 * @throws PeerError, Moved
 */
export async function askNode(lane: Peer, list: string, line: Uint8Array, shape: ReplyShape | undefined): Promise<ClientReply> {
  const takesForwards = lane.knowsForward ?? (await lane.takesForwards());
  if (takesForwards) return unlessMoved(await lane.request(line, shape, "forward"));
  return lane.request(concatBytes([fromLatin1(list), line]), shape);
}
