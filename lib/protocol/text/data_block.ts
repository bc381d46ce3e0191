/**
 * The length of the data block after a refused line. A refusal must skip the block, because a client's value must never be
 * executed as commands. Pure.
 */

import { INT32_MAX } from "../../base/number_bounds.ts";
import { BLOCK_WORDS, type Command, CommandShape, CommandTable, shapeOf, wordsOfShape } from "../command.ts";

/** The largest length memcached and Flare accept in a header: 2^31-1 minus the CRLF after the data. */
export const DATA_BYTES_MAX = INT32_MAX - 2;

const SPACE = 0x20;
const PLUS = 0x2b;
const STORAGE = new CommandTable(wordsOfShape(CommandShape.storage, CommandShape.metaStorage, CommandShape.block));
/** The index of the length's word: `set <key> <flags> <exptime> <bytes>`, `ms <key> <bytes>`, `block <word>… <bytes>`. */
const LENGTH_WORDS: { readonly [shape: number]: number } = {
  [CommandShape.storage]: 4,
  [CommandShape.metaStorage]: 2,
  [CommandShape.block]: BLOCK_WORDS,
};

/**
 * The length in `bytes[start, end)`; NaN = not a length, so the end of the block is unknown. It may be larger than
 * `DATA_BYTES_MAX`.
 */
export function parseLength(bytes: Uint8Array, start: number, end: number): number {
  let length = 0;
  const from = bytes[start] === PLUS ? start + 1 : start;
  if (from >= end) return Number.NaN;
  for (let i = from; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    length = length * 10 + digit;
  }
  return length;
}

/** The length of the block announced by the line `bytes[start, lineEnd)`; NaN = there is none. */
export function announcedLength(bytes: Uint8Array, start: number, lineEnd: number): number {
  let at = start;
  let lengthWord = 0;
  for (let word = 0; ; word++) {
    while (at < lineEnd && bytes[at] === SPACE) at++;
    const wordStart = at;
    while (at < lineEnd && bytes[at] !== SPACE && bytes[at] !== 0) at++;
    if (at === wordStart) return Number.NaN;
    if (word === 0) {
      const command = STORAGE.find(bytes, wordStart, at);
      if (command < 0) return Number.NaN;
      lengthWord = LENGTH_WORDS[shapeOf(command as Command)] as number;
    } else if (word === lengthWord) return parseLength(bytes, wordStart, at);
  }
}
