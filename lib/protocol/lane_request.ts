/**
 * How a server asks a node about a connection between them: `lane open` gives the connection a name, `lane ask` on another
 * connection asks what becomes of the requests on it. So a node that is busy with them can be told from a connection whose
 * packets are lost. `lane open` and `lane meet` say which node is meant: another one may have got the address of one that is
 * gone. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { senderOf } from "./stream_request.ts";
import { serverErrorLine } from "./text/server_error.ts";

/** The answer to `lane open`. */
export const LANE_OK = "OK";
/** The answers to `lane ask`: some requests wait here; no request waits here, or no such connection is here. */
export const LANE_BUSY = "BUSY";
export const LANE_IDLE = "IDLE";

/** How the answer to `lane open` begins of a node that is not the one that is meant. */
const STRANGER = "SERVER_ERROR this is node ";

/** What is said of a lane. */
export interface LaneRequest {
  readonly verb: "open" | "ask" | "meet";
  /** Of all connections of all nodes; empty for `meet`. */
  readonly name: string;
  /** The node that is meant, `host:port`; undefined: whoever is there. */
  readonly meant: string | undefined;
}

/** What a server says of one of its connections. */
export interface LaneLines {
  /** Names it, or says only whom it is meant for; to be sent on it. */
  readonly open: Uint8Array;
  /** Asks about it; to be sent on another one. Absent: nobody asks. */
  readonly ask?: Uint8Array;
}

/**
 * `<self>lane open <id> <meant>`, and `<self>lane ask <id>`; no two connections of a node have the same `id`.
 * @param meant the `host:port` of the node that is called
 */
export function laneLines(selfKey: string, id: number, meant: string): Required<LaneLines> {
  return { open: fromLatin1(`<${selfKey}>lane open ${id} ${meant}\r\n`), ask: fromLatin1(`<${selfKey}>lane ask ${id}\r\n`) };
}

/** `lane meet <meant>`, for a connection without a name: that of an index server, or of a stream. */
export function meetLine(meant: string): Uint8Array {
  return fromLatin1(`lane meet ${meant}\r\n`);
}

/** The answer to a `lane open` or `lane meet` that is meant for another node; undefined: it is not. */
export function strangerLine({ meant }: LaneRequest, selfKey: string): string | undefined {
  return meant === undefined || meant === selfKey ? undefined : serverErrorLine(`this is node ${selfKey}`);
}

/** The node that says so of itself; undefined: the answer is another one. */
export function strangerOf(answer: string): string | undefined {
  return answer.startsWith(STRANGER) ? answer.slice(STRANGER.length) : undefined;
}

/** The prefix of `lane` and the words after it; undefined = malformed. */
export function parseLane(prefix: string | undefined, words: readonly string[]): LaneRequest | undefined {
  if (words[0] === "meet") return words.length === 2 ? { verb: "meet", name: "", meant: words[1] } : undefined;
  const nodeKey = senderOf(prefix);
  const [verb, id, meant, ...others] = words;
  if (nodeKey === undefined || nodeKey === "" || others.length > 0 || !/^\d{1,10}$/.test(id ?? "")) return undefined;
  const isKnown = verb === "open" || (verb === "ask" && meant === undefined);
  return isKnown ? { verb, name: `${nodeKey} ${id}`, meant } : undefined;
}
