/** Numbers for tables that people read: three to five digits and a unit. Pure. */

/** A count. @example shortCount(1234567) // "1.2M" */
export function shortCount(count: number): string {
  return shortened(count, 1000, ["", "k", "M", "G", "T"]);
}

/** A number of bytes, in units of 1024. @example shortBytes(1610612736) // "1.5Gi" */
export function shortBytes(bytes: number): string {
  return shortened(bytes, 1024, ["", "Ki", "Mi", "Gi", "Ti"]);
}

function shortened(number: number, base: number, units: readonly string[]): string {
  let [value, unit] = [number, 0];
  // What would be rounded to the next unit is one of that.
  while (unit < units.length - 1 && value >= (unit === 0 ? 10 * base : base - 0.5)) {
    value /= base;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return value.toFixed(digits) + units[unit];
}
