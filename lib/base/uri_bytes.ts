/** Bytes as a word of text, as memcached's listings write keys. Pure. */

import { latin1 } from "./bytes.ts";

/** The bytes `[start, end)` with everything but letters, digits and `-._~` as `%NN`. */
export function uriEncoded(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  return latin1(bytes, start, end).replace(/[^A-Za-z0-9\-._~]/g, uriCode);
}

/** The bytes of such a word; undefined if it is none. */
export function uriDecoded(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9\-._~]|%[0-9A-Fa-f]{2})*$/.test(text)) return undefined;
  const characters = text.replace(/%(..)/g, (_code, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

/** The code of one character. @example uriCode(" ") // "%20" */
export function uriCode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
