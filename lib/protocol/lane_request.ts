/**
 * How a node asks another one about a connection between them: `lane open` gives the connection a name, `lane ask` on another
 * connection asks what becomes of the requests on it. So a node that is busy with them can be told from a connection whose
 * packets are lost. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { senderOf } from "./stream_request.ts";

/** The answer to `lane open`. */
export const LANE_OK = "OK";
/** The answers to `lane ask`: some requests wait here; no request waits here, or no such connection is here. */
export const LANE_BUSY = "BUSY";
export const LANE_IDLE = "IDLE";

/** What is said of a lane. */
export interface LaneRequest {
  readonly verb: "open" | "ask";
  /** Of all connections of all nodes. */
  readonly name: string;
}

/** What a node says of one of its connections. */
export interface LaneLines {
  /** Names it; to be sent on it. */
  readonly open: Uint8Array;
  /** Asks about it; to be sent on another one. */
  readonly ask: Uint8Array;
}

/** `<self>lane open <id>`, and `ask`; no two connections of a node have the same `id`. */
export function laneLines(selfKey: string, id: number): LaneLines {
  return { open: fromLatin1(`<${selfKey}>lane open ${id}\r\n`), ask: fromLatin1(`<${selfKey}>lane ask ${id}\r\n`) };
}

/** The prefix of `lane` and the words after it; undefined = malformed. */
export function parseLane(prefix: string | undefined, words: readonly string[]): LaneRequest | undefined {
  const nodeKey = senderOf(prefix);
  const [verb, id, ...others] = words;
  if (nodeKey === undefined || nodeKey === "" || others.length > 0 || !/^\d{1,10}$/.test(id ?? "")) return undefined;
  return verb === "open" || verb === "ask" ? { verb, name: `${nodeKey} ${id}` } : undefined;
}
