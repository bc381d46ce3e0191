/**
 * The answers to a client when the cluster cannot execute its request, with Flare's texts. Nothing has happened, unless the
 * text says that it is in doubt.
 */

import type { PeerError } from "../../net/peer/peer_link.ts";
import { PROXY_ERROR } from "../../protocol/text/refusal_lines.ts";

/** The cluster has no partition yet. */
export const NO_PARTITION_TEXT = "SERVER_ERROR no partition available";
/** No node that has the key is reachable: nothing was executed. */
export const PROXY_FAILURE_TEXT = "SERVER_ERROR proxy failure";

/** How often a request that was not sent is retried with the newest map … */
export const FORWARD_ATTEMPTS = 4;
/** … after this pause. */
export const FORWARD_PAUSE_MS = 250;

/** The answer for a failed request: an unsent one has not happened. */
export function failureText({ mayHaveHappened }: PeerError): string {
  return mayHaveHappened ? PROXY_ERROR : PROXY_FAILURE_TEXT;
}
