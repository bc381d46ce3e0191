/** The lines that answer `stats`, from text to figures. Pure. */

/** The figures of one `stats` command by their names, in the server's order. */
export type Figures = ReadonlyMap<string, string>;

/**
 * Name and value of a `STAT` line without its line end; undefined if it is none.
 * @example parseStatLine("STAT pid 1") // ["pid", "1"]
 */
export function parseStatLine(line: string): [name: string, value: string] | undefined {
  const [, name, value] = /^STAT (\S+) ?(.*)$/.exec(line) ?? [];
  return name === undefined || value === undefined ? undefined : [name, value];
}
