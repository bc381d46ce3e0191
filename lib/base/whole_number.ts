/** Whole numbers in words of a line or a file: decimal digits and nothing else. Pure. */

/** The number of a word of digits from 0 to `max`; undefined for anything else, an absent word included. */
export function parseWholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}
