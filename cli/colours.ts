/** Colours for people: only on a terminal, unless they are disabled. */

import process from "node:process";
import type { Paint, TableStyle, Tone } from "../lib/admin/text_table.ts";

/** Start and end of each look: of a terminal's 16 colours, so that the user's own palette decides. */
const LOOKS: Readonly<Record<Tone, readonly [on: number, off: number]>> = {
  bad: [31, 39],
  warning: [33, 39],
  good: [32, 39],
  title: [1, 22],
};

/** Whether a stream shows colours: a terminal that has them, and no `NO_COLOR` (https://no-color.org). */
export function hasColours(stream: { readonly isTTY?: boolean } = process.stdout): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

/** How tones look on a stream. */
export function paintFor(stream: { readonly isTTY?: boolean } = process.stdout): Paint {
  return hasColours(stream) ? painted : (text) => text;
}

/** How tables look on a stream. */
export function tableStyle(delimiter?: string, stream?: { readonly isTTY?: boolean }): TableStyle {
  return { delimiter, paint: paintFor(stream) };
}

function painted(text: string, tone: Tone): string {
  const [on, off] = LOOKS[tone];
  return text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`;
}
