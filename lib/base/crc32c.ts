/** CRC-32C (polynomial 0x82F63B78), the checksum of LevelDB's files. */

import { crcTables } from "./crc32.ts";

const [T0, T1, T2, T3, T4, T5, T6, T7] = crcTables(0x82f63b78);

/**
 * The checksum of `bytes[start, end)` as an unsigned 32-bit integer.
 * @example crc32c(new Uint8Array([0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39])) // 0xe3069283
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let c = ~0;
  let i = start;
  for (const limit = end - 7; i < limit; i += 8) {
    c ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    c =
      (T7[c & 0xff] as number) ^
      (T6[(c >>> 8) & 0xff] as number) ^
      (T5[(c >>> 16) & 0xff] as number) ^
      (T4[c >>> 24] as number) ^
      (T3[bytes[i + 4] as number] as number) ^
      (T2[bytes[i + 5] as number] as number) ^
      (T1[bytes[i + 6] as number] as number) ^
      (T0[bytes[i + 7] as number] as number);
  }
  for (; i < end; i++) c = (T0[(c ^ (bytes[i] as number)) & 0xff] as number) ^ (c >>> 8);
  return ~c >>> 0;
}
