/**
 * The token that continues a scan: the id of the scan, which tells nodes that they have already prepared for it, and the last
 * key visited. It is the whole state of a scan; servers keep none. Pure.
 */

import { base64url, decodeBase64url } from "../../base/base64.ts";

/** The position of a scan. */
export interface ScanCursor {
  /** Sixteen hexadecimal digits, the same on every page of a scan. */
  readonly scan: string;
  /** The scan continues after this key; empty = at the start. */
  readonly after: Uint8Array;
}

const TOKEN = /^([0-9a-f]{16})-([A-Za-z0-9_-]*)$/;

/** The id of a new scan, from two random 32-bit words. */
export function scanNumber(first: number, second: number): string {
  return hexWord(first) + hexWord(second);
}

/** The token of a cursor: no spaces, no control bytes. */
export function encodeCursor({ scan, after }: ScanCursor): string {
  return `${scan}-${base64url(after)}`;
}

/** Parses a token; undefined if it is invalid. */
export function parseCursor(token: string): ScanCursor | undefined {
  const [, scan, text] = TOKEN.exec(token) ?? [];
  if (scan === undefined || text === undefined) return undefined;
  const after = decodeBase64url(text);
  return after === undefined ? undefined : { scan, after };
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
