/**
 * How our nodes forward requests to each other: `forward` says once on a connection who forwards, and by which node map; what
 * follows are the clients' requests as they are. `MOVED` is the answer to a request for a key that another node answers for by
 * the node map of the receiver. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import type { ForwardedBy } from "./request.ts";
import { senderOf } from "./stream_request.ts";

/** The answer of a node that takes forwarded requests. */
export const FORWARD_OK = "OK";
const MOVED_WORD = "MOVED";
const MOVED_BYTES = fromLatin1(`${MOVED_WORD} `);

/** Nothing was executed: by a node map of this version another node answers for the key. */
export interface MovedAnswer {
  readonly mapVersion: Uint64;
  /** `host:port`; undefined = none does. */
  readonly owner: string | undefined;
}

/** `<self>forward <map version>` */
export function encodeForward(selfKey: string, mapVersion: Uint64): Uint8Array {
  return fromLatin1(`<${selfKey}>forward ${mapVersion}\r\n`);
}

/** The prefix of `forward` and the words after it; undefined = malformed. */
export function parseForward(prefix: string | undefined, words: readonly string[]): ForwardedBy | undefined {
  const nodeKey = senderOf(prefix);
  const mapVersion = parseVersion(words[0]);
  if (nodeKey === undefined || nodeKey === "" || mapVersion === undefined || words.length > 1) return undefined;
  return { nodeKey, mapVersion };
}

/** `MOVED <map version> [<owner>]` */
export function movedLine({ mapVersion, owner }: MovedAnswer): string {
  return `${MOVED_WORD} ${mapVersion}${owner === undefined ? "" : ` ${owner}`}`;
}

/** Undefined: it is another answer. */
export function parseMoved(line: string): MovedAnswer | undefined {
  const [word, versionText, owner, ...others] = line.split(" ");
  const mapVersion = parseVersion(versionText);
  return word === MOVED_WORD && mapVersion !== undefined && others.length === 0 ? { mapVersion, owner } : undefined;
}

/** Whether the line `bytes[start, …)` may be one for `parseMoved`. */
export function mayBeMoved(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < MOVED_BYTES.length; i++) if (bytes[start + i] !== MOVED_BYTES[i]) return false;
  return true;
}

function parseVersion(text: string | undefined): Uint64 | undefined {
  const bytes = fromLatin1(text ?? "");
  return parseUint64(bytes, 0, bytes.length);
}
