/**
 * Bytes and byte strings. Keys, host names and protocol words are byte strings: one character U+0000…U+00FF per byte (latin-1),
 * so that every byte survives a round trip.
 */

/** No bytes. Shared: it cannot be written to. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const CHUNK = 8192;

/** The bytes of `bytes[start, end)` as a latin-1 string. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  if (end - start <= 64) {
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }
  for (let i = start; i < end; i += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(i, Math.min(end, i + CHUNK)) as unknown as number[]);
  }
  return text;
}

/** The bytes of a latin-1 string; characters above U+00FF lose their upper bits. */
export function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The UTF-8 bytes of a text as a latin-1 string: the wire form of a name from an option. */
export function utf8AsLatin1(text: string): string {
  return latin1(new TextEncoder().encode(text));
}

/** Whether both ranges have the same bytes. */
export function equalBytes(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): boolean {
  const length = leftEnd - leftStart;
  if (length !== rightEnd - rightStart) return false;
  for (let i = 0; i < length; i++) if (left[leftStart + i] !== right[rightStart + i]) return false;
  return true;
}

/** Bytewise order: below 0 if `left` comes first, 0 if both are equal; a prefix comes before a longer array. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** True when `bytes` begins with `prefix`. */
export function startsWithBytes(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= bytes.length && equalBytes(bytes, 0, prefix.length, prefix, 0, prefix.length);
}

/** Concatenates the parts. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
