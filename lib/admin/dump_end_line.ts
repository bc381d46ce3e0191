/**
 * The last line of a dump: the number of items and bytes before it, and their checksum. It tells a complete dump from a
 * truncated or modified one. No record of either format looks like it: the default format ends with a quote, csv has commas.
 * Pure.
 */

import { latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";

const HASH = 0x23;
/** Every such line is shorter. */
const LINE_BYTES_MAX = 100;
const LINE = /^# end of dump items=(\d+) bytes=(\d+) crc32=([0-9a-f]{8})$/;

/** The items and bytes of a dump so far, or since its last end line: a backup has many, and dumps can be concatenated. */
export class DumpTally {
  #items = 0;
  #bytes = 0;
  #checksum = 0;

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds `bytes[start, end)`, which contain `items` records. */
  add(items: number, bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#items += items;
    this.#bytes += end - start;
    this.#checksum = crc32(bytes, start, end, this.#checksum);
  }

  /**
   * The end line for all of it, without its line end.
   * @example "# end of dump items=2 bytes=37 crc32=0a1b2c3d"
   */
  get endLine(): string {
    return `# end of dump items=${this.#items} bytes=${this.#bytes} crc32=${this.#checksum.toString(16).padStart(8, "0")}`;
  }

  /** How an end line differs, as text; undefined if it matches. */
  differenceTo(endLine: string): string | undefined {
    const [, items, bytes, checksum] = LINE.exec(endLine) ?? [];
    const [, ownItems, ownBytes, ownChecksum] = LINE.exec(this.endLine) ?? [];
    if (items !== ownItems) return `says ${items} items, but there are ${ownItems} before it`;
    if (bytes !== ownBytes) return `says ${bytes} bytes, but there are ${ownBytes} before it`;
    return checksum === ownChecksum ? undefined : `has the checksum ${checksum}, but the lines before it have ${ownChecksum}`;
  }
}

/** The end line in `bytes[start, end)`, which is one line; undefined if it is not an end line. */
export function findEndLine(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (bytes[start] !== HASH || end - start > LINE_BYTES_MAX) return undefined;
  const text = latin1(bytes, start, end);
  return LINE.test(text) ? text : undefined;
}
