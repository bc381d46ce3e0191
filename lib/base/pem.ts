/** Splits PEM files into blocks between `BEGIN` and `END`: certificates and keys. Knows the format, not the content. */

import { fromLatin1, latin1 } from "./bytes.ts";

/** The complete blocks of a file whose label ends with `label` (`CERTIFICATE`, `PRIVATE KEY`), in order. */
export function pemBlocks(file: Uint8Array, label: string): readonly string[] {
  const blocks = latin1(file).matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g);
  return [...blocks].filter(([, found]) => found === label || found?.endsWith(` ${label}`) === true).map(([block]) => block);
}

/** Those blocks as a new file. */
export function onlyPemBlocks(file: Uint8Array, label: string): Uint8Array {
  return fromLatin1(
    pemBlocks(file, label)
      .map((block) => `${block}\n`)
      .join(""),
  );
}
