/**
 * PEM files taken apart: certificates and keys as blocks between `BEGIN` and `END`. Knows the frame, not what is inside.
 */

import { fromLatin1, latin1 } from "./bytes.ts";

/** The blocks of a file whose label ends with `label` (`CERTIFICATE`, `PRIVATE KEY`), in its order, each complete. */
export function pemBlocks(file: Uint8Array, label: string): readonly string[] {
  const blocks = latin1(file).matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g);
  return [...blocks].filter(([, found]) => found === label || found?.endsWith(` ${label}`) === true).map(([block]) => block);
}

/** Those blocks as a file of their own. */
export function onlyPemBlocks(file: Uint8Array, label: string): Uint8Array {
  return fromLatin1(
    pemBlocks(file, label)
      .map((block) => `${block}\n`)
      .join(""),
  );
}
