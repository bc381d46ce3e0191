/** A planted bug: an edit of one source file that the simulation must find; the sources themselves have no switch for it. */

/** One bug. */
export interface PlantedBug {
  readonly name: string;
  /** What the program does wrong with it. */
  readonly about: string;
  /** The run that finds it, by its name in `searches.ts`. */
  readonly search: string;
  readonly file: string;
  /** Text that occurs exactly once in the file … */
  readonly find: string;
  /** … and what takes its place. */
  readonly replace: string;
}

/** The source with the bug. @throws Error if the place is not there exactly once */
export function plant({ name, file, find, replace }: PlantedBug, source: string): string {
  const parts = source.split(find);
  if (parts.length === 2) return parts.join(replace);
  throw new Error(`planted bug "${name}" needs its text once in ${file}, it is there ${parts.length - 1} times: ${find}`);
}
