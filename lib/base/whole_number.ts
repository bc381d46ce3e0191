/** Whole numbers in words of a line or a file: decimal digits, with at most a minus sign before them. Pure. */

import { INT32_MAX } from "./number_bounds.ts";

/** The number of a word of digits from 0 to `max`; undefined for anything else, an absent word included. */
export function parseWholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

/** The number of a word of digits, perhaps negative, that fits into 32 bits; undefined for anything else. */
export function parseInt32(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= -INT32_MAX - 1 && value <= INT32_MAX ? value : undefined;
}
