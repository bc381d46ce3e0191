/**
 * Lines of text with columns below each other, as Flare's tools print them: padded to the widest cell, one blank
 * between, numbers to the right. Pure; knows no particular table.
 */

/** One column. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** At least so many characters wide, default as wide as the title. */
  readonly width?: number;
}

/** The title and the rows as lines. A `delimiter` stands between unpadded cells instead. */
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
