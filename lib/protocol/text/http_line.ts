/**
 * Tells the lines of an HTTP request from ours. A web page can make a browser send one to any port, with commands in its body:
 * a connection that sends such a line is not a client of ours, and nothing after it may be read. Pure.
 */

const SPACE = 0x20;
const SLASH = 0x2f;
const COLON = 0x3a;
const ASTERISK = 0x2a;
const UNDERSCORE = 0x5f;
const LOWER_CASE = 0x20;
const VERSION = [0x48, 0x54, 0x54, 0x50, SLASH];
/** `HTTP/1.1` */
const VERSION_BYTES = 8;
const HOST = [0x68, 0x6f, 0x73, 0x74, COLON];

/** A quick check: only a line that passes can be an HTTP request line whose method is one of our words. */
export function mayBeHttp(bytes: Uint8Array, lineEnd: number): boolean {
  return bytes[lineEnd - 4] === SLASH && bytes[lineEnd - VERSION_BYTES] === VERSION[0];
}

/**
 * Whether `bytes[start, lineEnd)` is an HTTP request line, `<method> <target> HTTP/<version>`, or the header `Host:`. If the
 * method could be one of our words, the target decides: it begins with a slash, is a URL or is `*`. So `get a HTTP/1.1` is a
 * get of two keys, and the only valid request taken for HTTP is a get of two keys such as `get /a HTTP/1.1`.
 */
export function isHttpLine(bytes: Uint8Array, start: number, lineEnd: number): boolean {
  if (isWord(bytes, start, lineEnd, HOST, LOWER_CASE)) return true;
  let end = lineEnd;
  while (end > start && bytes[end - 1] === SPACE) end--;
  let version = end;
  while (version > start && bytes[version - 1] !== SPACE) version--;
  if (version === start || !isWord(bytes, version, end, VERSION, 0)) return false;
  const methodEnd = wordEnd(bytes, start, version);
  if (methodEnd + 1 >= version) return false;
  if (!isCommandWord(bytes, start, methodEnd)) return true;
  const targetEnd = wordEnd(bytes, methodEnd + 1, version);
  return lineEnd - version === VERSION_BYTES && targetEnd + 1 === version && isTarget(bytes, methodEnd + 1, targetEnd);
}

/** Whether an incomplete HTTP request line begins at `start`. */
export function beginsAsHttp(bytes: Uint8Array, start: number, end: number): boolean {
  const methodEnd = wordEnd(bytes, start, end);
  if (methodEnd === end || isCommandWord(bytes, start, methodEnd)) return false;
  return isTarget(bytes, methodEnd + 1, wordEnd(bytes, methodEnd + 1, end));
}

function wordEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== SPACE) at++;
  return at;
}

/** All our words consist of lower-case letters and underscores; browsers' own methods are upper-case. */
function isCommandWord(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const letter = bytes[i] as number;
    if ((letter < 0x61 || letter > 0x7a) && letter !== UNDERSCORE) return false;
  }
  return true;
}

/** `/path`, `scheme://…` or `*`. */
function isTarget(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] === SLASH) return true;
  if (bytes[start] === ASTERISK) return end === start + 1;
  for (let i = start + 1; i + 2 < end; i++) {
    if (bytes[i] === COLON) return bytes[i + 1] === SLASH && bytes[i + 2] === SLASH;
  }
  return false;
}

function isWord(bytes: Uint8Array, start: number, end: number, word: readonly number[], caseBit: number): boolean {
  if (end - start < word.length) return false;
  for (let i = 0; i < word.length; i++) if (((bytes[start + i] as number) | caseBit) !== word[i]) return false;
  return true;
}
