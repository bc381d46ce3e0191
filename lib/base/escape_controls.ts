/** Text of others on one line, and harmless to a terminal. Pure. */

/** The text with its control characters as `\n` and `\xNN`. @example escapeControls("a\x1b[31m") // "a\\x1b[31m" */
export function escapeControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) =>
    control === "\n" ? "\\n" : `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
