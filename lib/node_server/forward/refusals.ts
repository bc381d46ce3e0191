/**
 * What a client hears when the cluster cannot do what it wants, in Flare's words. Nothing has happened, unless the line
 * says that it is unknown.
 */

import type { PeerError } from "../../net/peer/peer_link.ts";

/** The cluster has no partition yet. */
export const NO_PARTITION_TEXT = "SERVER_ERROR no partition available";
/** No node that has the key can be reached: nothing was carried out. */
export const PROXY_FAILURE_TEXT = "SERVER_ERROR proxy failure";
/** The request was sent to the node that has the key, and no good answer came: it may have been carried out or not. */
export const PROXY_ERROR_TEXT = "SERVER_ERROR proxy error";

/** What never reached another node is tried again, by the newest map, this often … */
export const FORWARD_ATTEMPTS = 4;
/** … after this pause. */
export const FORWARD_PAUSE_MS = 250;

/** Says of a request that failed what is known: what never left has not happened. */
export function failureText({ mayHaveHappened }: PeerError): string {
  return mayHaveHappened ? PROXY_ERROR_TEXT : PROXY_FAILURE_TEXT;
}
