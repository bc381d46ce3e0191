/**
 * Encodes and parses a page of a scan on the wire: `KEY <key> <flags> <bytes> <version> <expire>` lines, or `VALUE` blocks with
 * the same numbers, then `END` or `NEXT <cursor>`. After the numbers come `b` for a key in base64 and, between nodes, `a` and
 * `h` for state that is only in memory. Pure.
 */

import { base64, decodeBase64 } from "../../base/base64.ts";
import { EMPTY_BYTES, latin1 } from "../../base/bytes.ts";
import { parseUint64, type Uint64 } from "../../base/uint64.ts";
import { parseWholeNumber } from "../../base/whole_number.ts";
import type { ReplySegment } from "../reply_segment.ts";
import type { ClientReply } from "../text/text_client.ts";
import { isTextKey } from "../text/text_key.ts";
import { encodeCursor, parseCursor } from "./scan_cursor.ts";

/** An item as a scan returns it, with its own bytes. */
export interface ScannedItem {
  readonly key: Uint8Array;
  /** Empty unless values were requested. */
  readonly value: Uint8Array;
  /** Length of the stored value. */
  readonly valueBytes: number;
  /** 0 … 2^32-1. */
  readonly flags: number;
  /** Absolute second, 0 = never. */
  readonly expire: number;
  readonly version: Uint64;
  /** Read since it was stored, as far as memory knows. */
  readonly fetched: boolean;
  /** The second it was last stored or read; 0 = unknown. */
  readonly accessSeconds: number;
}

/** A part of a scan: everything up to and including `lastKey`. */
export interface ScanPage {
  /** In key order. */
  readonly items: readonly ScannedItem[];
  /** The last key visited, returned or not; undefined = there is nothing after these items. */
  readonly lastKey: Uint8Array | undefined;
}

/** How to write a page. */
export interface PageForm {
  /** All keys in base64, not only those that do not fit into a line. */
  readonly base64: boolean;
  readonly values: boolean;
  /** For another node: with the state that is only in memory. */
  readonly complete: boolean;
}

const LF = 0x0a;
/** Larger values are written from where they are: each costs a separate write. */
const COPIED_BYTES_MAX = 16384;
/** The size of a line without the key: words and numbers. */
const LINE_BYTES = 64;

/** The approximate size of an item on the wire. */
export function wireBytes({ key, value }: ScannedItem): number {
  return Math.ceil((key.length * 4) / 3) + value.length + LINE_BYTES;
}

/** Writes a page; `scan` is the id of the scan. */
export function putScanPage(segment: ReplySegment, page: ScanPage, scan: string, form: PageForm): void {
  for (const item of page.items) putItem(segment, item, form);
  if (page.lastKey === undefined) segment.putText("END\r\n");
  else segment.putText(`NEXT ${encodeCursor({ scan, after: page.lastKey })}\r\n`);
}

function putItem(segment: ReplySegment, item: ScannedItem, form: PageForm): void {
  const { key, value, valueBytes, flags, version, expire } = item;
  const asBase64 = form.base64 || !isTextKey(key);
  segment.putText(form.values ? "VALUE " : "KEY ");
  if (asBase64) segment.putText(base64(key));
  else segment.put(key, 0, key.length);
  segment.putText(` ${flags} ${valueBytes} ${version} ${expire}${asBase64 ? " b" : ""}`);
  if (form.complete) segment.putText(` a${item.accessSeconds}${item.fetched ? " h" : ""}`);
  segment.putText("\r\n");
  if (!form.values) return;
  if (value.length >= COPIED_BYTES_MAX) segment.putStable(value, 0, value.length);
  else segment.put(value, 0, value.length);
  segment.putText("\r\n");
}

/** Parses a page; undefined = an error line or malformed. */
export function parseScanPage({ line, body }: ClientReply): ScanPage | undefined {
  const items: ScannedItem[] = [];
  for (let at = 0; at < body.length; ) {
    const lineFeed = body.indexOf(LF, at);
    const item = lineFeed < 0 ? undefined : parseItem(body, at, lineFeed);
    if (item === undefined) return undefined;
    items.push(item);
    at = lineFeed + 1 + (body[at] === VALUE_START ? item.valueBytes + 2 : 0);
  }
  if (line === "END") return { items, lastKey: undefined };
  const cursor = line.startsWith("NEXT ") ? parseCursor(line.slice("NEXT ".length)) : undefined;
  return cursor === undefined || cursor.after.length === 0 ? undefined : { items, lastKey: cursor.after };
}

const VALUE_START = 0x56;

function parseItem(body: Uint8Array, start: number, lineFeed: number): ScannedItem | undefined {
  const [word, keyText = "", flagsText = "", bytesText = "", versionText = "", expireText = "", ...marks] = latin1(
    body,
    start,
    lineFeed,
  )
    .trimEnd()
    .split(" ");
  const key = marks.includes("b") ? decodeText(keyText) : bytesOf(keyText);
  const version = numberOf(versionText);
  const [flags, valueBytes, expire] = [flagsText, bytesText, expireText].map(integerOf);
  if (key === undefined || key.length === 0 || version === undefined) return undefined;
  if (flags === undefined || valueBytes === undefined || expire === undefined) return undefined;
  const valueStart = lineFeed + 1;
  if (word === "VALUE" && valueStart + valueBytes + 2 > body.length) return undefined;
  const value = word === "VALUE" ? body.slice(valueStart, valueStart + valueBytes) : EMPTY_BYTES;
  const access = marks.find((mark) => mark.startsWith("a"))?.slice(1) ?? "0";
  const accessSeconds = integerOf(access) ?? 0;
  return { key, value, valueBytes, flags, expire, version, fetched: marks.includes("h"), accessSeconds };
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function decodeText(text: string): Uint8Array | undefined {
  const bytes = bytesOf(text);
  return decodeBase64(bytes, 0, bytes.length);
}

function numberOf(text: string): Uint64 | undefined {
  const bytes = bytesOf(text);
  return parseUint64(bytes, 0, bytes.length);
}

function integerOf(text: string): number | undefined {
  return parseWholeNumber(text, Number.MAX_SAFE_INTEGER);
}
