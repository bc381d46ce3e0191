/**
 * The requests and answers with which replicas of a partition are compared. A master asks a replica of its partition by `node
 * digest`: for the digest of a range of keys, for the state of each item of a range, or of single keys. An operator asks the
 * master by `node compare` for one page of the comparison with a replica. The original answers both with ERROR. Pure.
 */

import { base64, decodeBase64 } from "../base/base64.ts";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../base/bytes.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import { parseWholeNumber } from "../base/whole_number.ts";
import type { ClientReply } from "./text/text_client.ts";

/** What is compared of an item. */
export interface ItemState {
  readonly key: Uint8Array;
  readonly version: Uint64;
  /** Absolute second, 0 = never. */
  readonly expire: number;
  /** Of everything the item has. */
  readonly digest: string;
}

/** The keys after `after` up to and including `to`. */
export interface KeyRange {
  /** Empty = from the first key. */
  readonly after: Uint8Array;
  /** Undefined = up to the last key. */
  readonly to: Uint8Array | undefined;
}

/** A part of a partition, out of `count` partitions. */
export interface PartName {
  readonly partition: number;
  readonly count: number;
}

/** A master's question. */
export type DigestRequest = PartName &
  (({ readonly of: "range" | "items" } & KeyRange) | { readonly of: "keys"; readonly keys: readonly Uint8Array[] });

/** The digest of a range; the range is read only up to and including `reached` if that is not undefined. */
export interface RangeDigest {
  readonly items: number;
  readonly digest: string;
  readonly reached: Uint8Array | undefined;
}

/** The items of a range, in key order; `reached` as in `RangeDigest`. */
export interface RangeItems {
  readonly items: readonly ItemState[];
  readonly reached: Uint8Array | undefined;
}

/** A key that a master and its replica have in different states. */
export interface Difference {
  readonly key: Uint8Array;
  /** Undefined: the key does not exist there. */
  readonly masterVersion: Uint64 | undefined;
  readonly replicaVersion: Uint64 | undefined;
  readonly isRepaired: boolean;
}

/** An operator's question: one page of the comparison with a replica. */
export interface CompareRequest {
  readonly host: string;
  readonly port: string;
  /** Empty = from the first key. */
  readonly after: Uint8Array;
  /** The master writes the keys that differ once more, so that the replica gets them. */
  readonly repair: boolean;
}

/** One page of a comparison. */
export interface ComparePage {
  readonly differences: readonly Difference[];
  /** Items of the master that were compared. */
  readonly items: number;
  /** Keys that changed each time they were looked at: nothing is known of them. */
  readonly busy: number;
  /** The page ends here; undefined = with the last key. */
  readonly reached: Uint8Array | undefined;
}

const NOTHING = "-";
const DIGEST_WORD = "DIGEST";
const PART = /^(\d{1,5})\/(\d{1,5})$/;
const DIGEST = /^[0-9a-f]{16}$/;
const LF = 0x0a;

/** The line of a master's question. */
export function encodeDigestRequest(request: DigestRequest): Uint8Array {
  const keys = request.of === "keys" ? request.keys.map((key) => base64(key)) : [word(request.after), word(request.to)];
  return fromLatin1(`node digest ${request.partition}/${request.count} ${request.of} ${keys.join(" ")}\r\n`);
}

/** Parses the words after `node digest`; undefined if they are malformed. */
export function parseDigestRequest(words: readonly string[]): DigestRequest | undefined {
  const [part = "", of, ...texts] = words;
  const [, partitionText, countText] = PART.exec(part) ?? [];
  const [partition, count] = [Number(partitionText), Number(countText)];
  if (!(partition < count)) return undefined;
  const keys = texts.map(keyOf);
  if (of === "keys") {
    const given = keys.filter((key) => key !== undefined && key.length > 0) as Uint8Array[];
    return given.length === texts.length && given.length > 0 ? { partition, count, of, keys: given } : undefined;
  }
  const [after, to] = keys;
  if ((of !== "range" && of !== "items") || keys.length !== 2 || after === undefined || to === undefined) return undefined;
  return { partition, count, of, after, to: to.length === 0 ? undefined : to };
}

/** The answer to a question for a digest. */
export function digestLine({ items, digest, reached }: RangeDigest): string {
  return `${DIGEST_WORD} ${items} ${digest} ${word(reached)}`;
}

/** Parses the answer to a question for a digest; undefined: another answer. */
export function parseDigestLine(line: string): RangeDigest | undefined {
  const [first, itemsText = "", digest = "", reachedText = "", ...rest] = line.split(" ");
  const items = parseWholeNumber(itemsText, Number.MAX_SAFE_INTEGER);
  const reached = keyOf(reachedText);
  if (first !== DIGEST_WORD || items === undefined || !DIGEST.test(digest) || reached === undefined || rest.length > 0) {
    return undefined;
  }
  return { items, digest, reached: reached.length === 0 ? undefined : reached };
}

/** The answer to a question for items: `KEY` lines, then `END`, or `NEXT <key>` if the range is not read to its end. */
export function encodeItemStates({ items, reached }: RangeItems): string {
  const lines = items.map(({ key, version, expire, digest }) => `KEY ${base64(key)} ${version} ${expire} ${digest}\r\n`);
  return `${lines.join("")}${reached === undefined ? "END" : `NEXT ${base64(reached)}`}\r\n`;
}

/** Parses the answer to a question for items; undefined: an error line or malformed. */
export function parseItemStates({ line, body }: ClientReply): RangeItems | undefined {
  const [last, reachedText = NOTHING] = line.split(" ");
  const reached = keyOf(reachedText);
  if ((last !== "END" && last !== "NEXT") || reached === undefined || (last === "NEXT") !== reached.length > 0)
    return undefined;
  const items: ItemState[] = [];
  for (let at = 0; at < body.length; ) {
    const lineFeed = body.indexOf(LF, at);
    const item = lineFeed < 0 ? undefined : parseItem(latin1(body, at, lineFeed).trimEnd());
    if (item === undefined) return undefined;
    items.push(item);
    at = lineFeed + 1;
  }
  return { items, reached: last === "END" ? undefined : reached };
}

function parseItem(line: string): ItemState | undefined {
  const [first, keyText = "", versionText = "", expireText = "", digest = "", ...rest] = line.split(" ");
  const key = keyOf(keyText);
  const version = versionOf(versionText);
  const expire = parseWholeNumber(expireText, Number.MAX_SAFE_INTEGER);
  if (first !== "KEY" || key === undefined || key.length === 0 || version === undefined || expire === undefined) {
    return undefined;
  }
  return DIGEST.test(digest) && rest.length === 0 ? { key, version, expire, digest } : undefined;
}

/** The command with which an operator asks for a page, without a line end. */
export function compareCommand({ host, port, after, repair }: CompareRequest): string {
  return `node compare ${host} ${port} ${word(after)}${repair ? " repair" : ""}`;
}

/** Parses the words after `node compare`; undefined if they are malformed. */
export function parseCompareRequest(words: readonly string[]): CompareRequest | undefined {
  const [host, port, afterText = "", mode, ...rest] = words;
  const after = keyOf(afterText);
  if (host === undefined || port === undefined || after === undefined || rest.length > 0) return undefined;
  if (mode !== undefined && mode !== "repair") return undefined;
  return { host, port, after, repair: mode === "repair" };
}

/** The lines of a page, before `END`. */
export function pageLines({ differences, items, busy, reached }: ComparePage): string[] {
  const lines = differences.map(({ key, masterVersion, replicaVersion, isRepaired }) => {
    const versions = `${masterVersion ?? NOTHING} ${replicaVersion ?? NOTHING}`;
    return `DIFFERENT ${base64(key)} ${versions} ${isRepaired ? "repaired" : "kept"}`;
  });
  return [...lines, `COMPARED ${items} ${busy} ${word(reached)}`];
}

/** Parses the lines of a page; undefined if they are malformed. */
export function parsePage(lines: readonly string[]): ComparePage | undefined {
  const differences = lines.slice(0, -1).map(parseDifference);
  const [first, itemsText = "", busyText = "", reachedText = ""] = (lines.at(-1) ?? "").split(" ");
  const [items, busy] = [itemsText, busyText].map((text) => parseWholeNumber(text, Number.MAX_SAFE_INTEGER));
  const reached = keyOf(reachedText);
  if (first !== "COMPARED" || items === undefined || busy === undefined || reached === undefined) return undefined;
  if (differences.includes(undefined)) return undefined;
  return { differences: differences as Difference[], items, busy, reached: reached.length === 0 ? undefined : reached };
}

function parseDifference(line: string): Difference | undefined {
  const [first, keyText = "", masterText = "", replicaText = "", outcome = "", ...rest] = line.split(" ");
  const key = keyOf(keyText);
  if (first !== "DIFFERENT" || key === undefined || key.length === 0 || rest.length > 0) return undefined;
  if (outcome !== "repaired" && outcome !== "kept") return undefined;
  const [masterVersion, replicaVersion] = [masterText, replicaText].map(versionOf);
  const areVersions = [masterText, replicaText].every((text) => text === NOTHING || versionOf(text) !== undefined);
  return areVersions ? { key, masterVersion, replicaVersion, isRepaired: outcome === "repaired" } : undefined;
}

/** A key as a word; `-` for none. */
function word(key: Uint8Array | undefined): string {
  return key === undefined || key.length === 0 ? NOTHING : base64(key);
}

/** The key of a word, empty for `-`; undefined: malformed. */
function keyOf(text: string): Uint8Array | undefined {
  if (text === NOTHING) return EMPTY_BYTES;
  const bytes = fromLatin1(text);
  return decodeBase64(bytes, 0, bytes.length);
}

function versionOf(text: string): Uint64 | undefined {
  return parseUint64(fromLatin1(text), 0, text.length);
}
