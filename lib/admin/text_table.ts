/**
 * Formats tables as Flare's tools print them: columns padded to the widest cell, one space between, numbers right-aligned.
 * Pure; knows no particular table, and no terminal: what a tone looks like is up to the caller.
 */

/** One column. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** Minimal width in characters, default that of the title. */
  readonly width?: number;
}

/** What a text deserves: attention at once, attention, none; or it is a title. */
export type Tone = "bad" | "warning" | "good" | "title";

/** Makes a text look like its tone; what it adds has no width. */
export type Paint = (text: string, tone: Tone) => string;

/** A cell, with its tone if it has one. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

/** How a table looks. */
export interface TableStyle {
  /** Present: cells are unpadded and separated by this. */
  readonly delimiter?: string | undefined;
  /** Default: tones are not shown. */
  readonly paint?: Paint | undefined;
}

/** The title and the rows as lines. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { delimiter, paint = (text) => text }: TableStyle = {},
): string[] {
  const all = [columns.map(({ title }): Cell => ({ text: title, tone: "title" })), ...rows];
  const painted = (cell: Cell): string => (typeof cell === "string" ? cell : paint(cell.text, cell.tone));
  if (delimiter !== undefined) return all.map((cells) => cells.map(painted).join(delimiter));
  const widths = columns.map(({ width = 0 }, i) =>
    all.reduce((widest, cells) => Math.max(widest, cellText(cells[i] ?? "").length), width),
  );
  return all.map((cells) =>
    cells
      .map((cell, i) => {
        const padding = " ".repeat(Math.max(0, (widths[i] ?? 0) - cellText(cell).length));
        return columns[i]?.align === "right" ? padding + painted(cell) : painted(cell) + padding;
      })
      .join(" ")
      .trimEnd(),
  );
}

/** The text of a cell. */
export function cellText(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}
