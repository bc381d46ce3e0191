/**
 * Copies between arrays without garbage for short ranges: a loop up to a few words, above that the platform's copy (which costs
 * one view object).
 */

const LOOP_BYTES_MAX = 96;

/** Copies `source[start, end)` to `target` from `at` on and returns where it ended. */
export function copyBytes(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > LOOP_BYTES_MAX) {
    target.set(source.subarray(start, end), at);
    return at + length;
  }
  for (let i = 0; i < length; i++) target[at + i] = source[start + i] as number;
  return at + length;
}

/** The number of decimal digits of a non-negative integer below 2^53. */
export function decimalLength(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  let length = 4;
  for (let rest = Math.floor(value / 10000); rest > 0; rest = Math.floor(rest / 10)) length++;
  return length;
}

/** Writes a non-negative integer below 2^53 in decimal to `target` from `at` on and returns where it ended. */
export function writeDecimal(target: Uint8Array, at: number, value: number): number {
  const end = at + decimalLength(value);
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    target[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return end;
}
