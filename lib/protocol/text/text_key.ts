/** Keys in lines of text: whether a key fits, and the keys of a request with several. Pure. */

import { latin1 } from "../../base/bytes.ts";
import { isKeyTooLong } from "../../item/key_length.ts";
import type { Request } from "../request.ts";

const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

/** Whether the key `bytes[start, end)` fits into a line of text: it is not empty and has no space, line end or NUL. */
export function isTextKey(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte === SPACE || byte === LF || byte === CR || byte === 0) return false;
  }
  return end > start;
}

/** The keys of a get, gets, gat or gats as byte strings. */
export function keysOf({ bytes, keysStart, keysEnd }: Request): string[] {
  return latin1(bytes, keysStart, keysEnd)
    .split(" ")
    .filter((word) => word.length > 0);
}

/** Whether one of the keys of a get, gets, gat or gats is too long. Allocates nothing. */
export function hasLongKey({ bytes, keysStart, keysEnd }: Request, keyBytesMax: number): boolean {
  if (!isKeyTooLong(keysEnd - keysStart, keyBytesMax)) return false;
  let start = keysStart;
  for (let at = keysStart; at < keysEnd; at++) {
    if (bytes[at] === SPACE) start = at + 1;
    else if (isKeyTooLong(at + 1 - start, keyBytesMax)) return true;
  }
  return false;
}
