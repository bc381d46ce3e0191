/** Suggests the intended name for a mistyped one. Pure. */

/** Prefixes shorter than this match too many names. */
const BEGINNING_MIN = 4;

/** The most similar name: equal except for case, `-` and `_`, a prefix, or a few letters off; undefined if none is close. */
export function similarName(given: string, names: readonly string[]): string | undefined {
  const wanted = plain(given);
  const beginning = names.filter((name) => wanted.length >= BEGINNING_MIN && plain(name).startsWith(wanted));
  if (beginning.length === 1) return beginning[0];
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const edits = editsBetween(wanted, plain(name));
    if (edits >= least) continue;
    least = edits;
    nearest = name;
  }
  return nearest;
}

/** `; did you mean "…"?`, or nothing. */
export function suggestion(given: string, names: readonly string[]): string {
  const similar = similarName(given, names);
  return similar === undefined ? "" : `; did you mean "${similar}"?`;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "");
}

/** The number of letters to insert, delete, replace or swap with their neighbour. */
function editsBetween(left: string, right: string): number {
  let before: number[] = [];
  let above = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let edits = Math.min((above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (above[column - 1] ?? 0) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped) edits = Math.min(edits, (before[column - 2] ?? 0) + 1);
      current.push(edits);
    }
    before = above;
    above = current;
  }
  return above[right.length] ?? 0;
}
