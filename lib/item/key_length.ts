/**
 * The limit of a key's length, option `key-bytes-max`. The parsers of all protocols and the handlers of lists of keys check it
 * and refuse in their protocols' words; the storage checks it again, because not every caller is a parser. Pure.
 */

/** memcached's limit: every server accepts keys up to this length. */
export const MEMCACHED_KEY_BYTES_MAX = 250;

/** Whether a key of `length` bytes is too long. */
export function isKeyTooLong(length: number, keyBytesMax: number): boolean {
  return length > keyBytesMax;
}
