/**
 * Parses and encodes scan requests: `scan <limit> [<flag>…]` and `delete_prefix <limit> p<prefix> [<flag>…]`. One node asks
 * another for its part of a page with the same words and `P<partition>/<partitions>`. Pure; it knows no keys and no cluster.
 */

import { base64, decodeBase64 } from "../../base/base64.ts";
import { fromLatin1, startsWithBytes } from "../../base/bytes.ts";
import { parseWholeNumber } from "../../base/whole_number.ts";
import { BAD_FLAG, BAD_LINE } from "../text/refusal_lines.ts";
import { encodeCursor, parseCursor, type ScanCursor } from "./scan_cursor.ts";

/** Most keys of a page. */
export const SCAN_LIMIT_MAX = 1000;

/** One page of a scan. */
export interface ScanRequest {
  /** Most keys, 1 … `SCAN_LIMIT_MAX`. */
  readonly limit: number;
  /** Only keys with this prefix; empty = all. */
  readonly prefix: Uint8Array;
  /** The end of the previous page; undefined on the first page. */
  readonly cursor: ScanCursor | undefined;
  /** The prefix is base64, and keys are returned as base64. */
  readonly base64: boolean;
  readonly values: boolean;
  /** From another node: only this node's items of a partition, out of `count`. */
  readonly part: { readonly partition: number; readonly count: number } | undefined;
}

const BAD_LIMIT = `CLIENT_ERROR limit must be 1 to ${SCAN_LIMIT_MAX}`;
const BAD_PREFIX = "CLIENT_ERROR error decoding prefix";
const BAD_CURSOR = "CLIENT_ERROR invalid cursor";
const NO_PREFIX = "CLIENT_ERROR delete_prefix needs a prefix; flush_all removes everything";
const NOT_QUIET = "CLIENT_ERROR delete_prefix needs its answer read: noreply is refused";

/**
 * Parses the words after `scan`; a string is the error line. @param fromNode the request has a node prefix, and so asks for
 * this node's part
 */
export function parseScan(words: readonly string[], fromNode: boolean): ScanRequest | string {
  return parse(words, fromNode ? "bcpvP" : "bcpv", fromNode);
}

/** Parses the words after `delete_prefix`; a string is the error line. */
export function parseDeletePrefix(words: readonly string[]): ScanRequest | string {
  if (words.at(-1) === "noreply") return NOT_QUIET;
  const request = parse(words, "bcp", false);
  return typeof request === "object" && request.prefix.length === 0 ? NO_PREFIX : request;
}

function parse(words: readonly string[], letters: string, needsPart: boolean): ScanRequest | string {
  const [limitText, ...flags] = words;
  if (limitText === undefined) return "ERROR";
  const limit = parseWholeNumber(limitText, 9_999_999_999);
  if (limit === undefined) return BAD_LINE;
  if (limit < 1 || limit > SCAN_LIMIT_MAX) return BAD_LIMIT;
  const given = new Map<string, string>();
  for (const flag of flags) {
    const letter = flag[0] as string;
    const takesText = letter === "c" || letter === "p" || letter === "P";
    if (!letters.includes(letter) || given.has(letter) || (!takesText && flag.length > 1)) return BAD_FLAG;
    given.set(letter, flag.slice(1));
  }
  const part = parsePart(given.get("P"));
  if ((part === undefined) === needsPart) return BAD_FLAG;
  const isBase64 = given.has("b");
  const prefix = parsePrefix(given.get("p") ?? "", isBase64);
  if (prefix === undefined) return BAD_PREFIX;
  const token = given.get("c");
  const cursor = token === undefined ? undefined : parseCursor(token);
  if (token !== undefined && cursor === undefined) return BAD_CURSOR;
  // A cursor belongs to its scan, and all keys of that have the prefix.
  if (cursor !== undefined && cursor.after.length > 0 && !startsWithBytes(cursor.after, prefix)) return BAD_CURSOR;
  return { limit, prefix, cursor, base64: isBase64, values: given.has("v"), part };
}

function parsePrefix(text: string, isBase64: boolean): Uint8Array | undefined {
  const bytes = fromLatin1(text);
  if (!isBase64 || text === "") return bytes;
  return decodeBase64(bytes, 0, bytes.length);
}

function parsePart(text: string | undefined): ScanRequest["part"] {
  const [, partition, count] = /^(\d{1,5})\/(\d{1,5})$/.exec(text ?? "") ?? [];
  if (partition === undefined || Number(partition) >= Number(count)) return undefined;
  return { partition: Number(partition), count: Number(count) };
}

/** The line of a request, with base64 keys in both directions; `prefix` is the requesting node's name in brackets, or empty. */
export function encodeScan(request: Omit<ScanRequest, "base64">, prefix: string): Uint8Array {
  return encode(`${prefix}scan`, request);
}

/** The line of a `delete_prefix`. */
export function encodeDeletePrefix(request: Pick<ScanRequest, "limit" | "prefix" | "cursor">): Uint8Array {
  return encode("delete_prefix", { ...request, values: false, part: undefined });
}

function encode(name: string, { limit, prefix, cursor, values, part }: Omit<ScanRequest, "base64">): Uint8Array {
  const words = [name, limit, "b"];
  if (prefix.length > 0) words.push(`p${base64(prefix)}`);
  if (cursor !== undefined) words.push(`c${encodeCursor(cursor)}`);
  if (values) words.push("v");
  if (part !== undefined) words.push(`P${part.partition}/${part.count}`);
  return fromLatin1(`${words.join(" ")}\r\n`);
}
