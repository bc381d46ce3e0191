/** How tones look in a terminal that shows colours. */

import process from "node:process";
import type { Paint, TableStyle, Tone } from "../lib/admin/text_table.ts";
import { hasColours } from "../lib/runtime/process/terminal_colours.ts";

/** Start and end of each look: of a terminal's 16 colours, so that the user's own palette decides. */
const LOOKS: Readonly<Record<Tone, readonly [on: number, off: number]>> = {
  bad: [31, 39],
  warning: [33, 39],
  good: [32, 39],
  title: [1, 22],
};

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
