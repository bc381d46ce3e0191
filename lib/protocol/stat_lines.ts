/** Parses the answer lines of `stats`. Pure. */

/** The values of one `stats` command by name, in the server's order. */
export type Figures = ReadonlyMap<string, string>;

/**
 * Name and value of a `STAT` line without its line end; undefined for another line.
 * @example parseStatLine("STAT pid 1") // ["pid", "1"]
 */
export function parseStatLine(line: string): [name: string, value: string] | undefined {
  const [, name, value] = /^STAT (\S+) ?(.*)$/.exec(line) ?? [];
  return name === undefined || value === undefined ? undefined : [name, value];
}
