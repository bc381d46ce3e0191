/**
 * The last line of a dump: how many items and bytes stand before it, and their checksum. It tells a complete dump from
 * one that was cut short or changed. No record of either form looks like it: one of the default form ends with a quote,
 * one of csv has commas. Pure.
 */

import { latin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";

const HASH = 0x23;
/** The longest such line is shorter. */
const LINE_BYTES_MAX = 100;
const LINE = /^# end of dump items=(\d+) bytes=(\d+) crc32=([0-9a-f]{8})$/;

/** What stands in a dump so far, or since its last end line: dumps may stand one behind the other in a file. */
export class DumpTally {
  #items = 0;
  #bytes = 0;
  #checksum = 0;

  get items(): number {
    return this.#items;
  }

  /** Takes in `bytes[start, end)`, which hold so many records. */
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

  /** What does not fit an end line, in words; undefined if all does. */
  differenceTo(endLine: string): string | undefined {
    const [, items, bytes, checksum] = LINE.exec(endLine) ?? [];
    const [, ownItems, ownBytes, ownChecksum] = LINE.exec(this.endLine) ?? [];
    if (items !== ownItems) return `tells of ${items} items, but ${ownItems} stand before it`;
    if (bytes !== ownBytes) return `tells of ${bytes} bytes, but ${ownBytes} stand before it`;
    return checksum === ownChecksum ? undefined : `has the checksum ${checksum}, but what stands before it has ${ownChecksum}`;
  }
}

/** The end line in `bytes[start, end)`, which holds one line; undefined if it is something else. */
export function findEndLine(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (bytes[start] !== HASH || end - start > LINE_BYTES_MAX) return undefined;
  const text = latin1(bytes, start, end);
  return LINE.test(text) ? text : undefined;
}
