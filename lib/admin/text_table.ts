/**
 * Formats tables as Flare's tools print them: columns padded to the widest cell, one space between, numbers right-aligned.
 * Pure; knows no particular table.
 */

/** One column. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** Minimal width in characters, default that of the title. */
  readonly width?: number;
}

/** The title and the rows as lines. With a `delimiter` cells are unpadded and separated by it. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], delimiter?: string): string[] {
  const all = [columns.map(({ title }) => title), ...rows];
  if (delimiter !== undefined) return all.map((cells) => cells.join(delimiter));
  const widths = columns.map(({ width = 0 }, i) =>
    all.reduce((widest, cells) => Math.max(widest, (cells[i] ?? "").length), width),
  );
  return all.map((cells) =>
    cells
      .map((cell, i) => (columns[i]?.align === "right" ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join(" ")
      .trimEnd(),
  );
}
