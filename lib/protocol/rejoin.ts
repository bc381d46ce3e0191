/**
 * How a slave that returns continues where it left off. It names its positions to its master, which answers from which record
 * of its log on the slave lacks something, or that there is nothing in common; the slave's own later changes are keys that the
 * master writes once more. The original answers both with ERROR. Pure.
 */

import { base64, decodeBase64 } from "../base/base64.ts";
import { fromLatin1 } from "../base/bytes.ts";
import { parseWholeNumber } from "../base/whole_number.ts";

/** A record of the log of one opening of a storage. */
export interface NamedPosition {
  readonly history: string;
  readonly sequence: number;
}

/** A slave's question. */
export interface RejoinRequest {
  readonly host: string;
  readonly port: string;
  readonly positions: readonly NamedPosition[];
}

/** The newest state that both have had: as a position that the slave has named, and in the master's log. */
export interface RejoinAnswer extends NamedPosition {
  /** The master's stream, and the first record that the slave lacks. */
  readonly id: string;
  readonly next: number;
}

/** A key that a slave has changed, and what it has there. */
export interface ChangedKey {
  readonly key: Uint8Array;
  /** Of the item (see `item_digest.ts`); undefined: it is deleted. */
  readonly digest: string | undefined;
}

/** Keys to be written once more in a partition, out of `count` partitions. */
export interface RewriteRequest {
  readonly partition: number;
  readonly count: number;
  readonly keys: readonly ChangedKey[];
}

/** The answer of a master that has nothing in common with a slave, or no longer what follows it. */
export const COPY = "COPY";
const REJOIN = "REJOIN";
const HISTORY = /^[0-9a-f]{16}$/;
const DIGEST = /^(?:[0-9a-f]{16}|-)$/;
const PART = /^(\d{1,5})\/(\d{1,5})$/;
const ENCODER = new TextEncoder();

/** `node rejoin <host> <port> <history>:<sequence>…` */
export function encodeRejoin({ host, port, positions }: RejoinRequest): Uint8Array {
  const words = positions.map(({ history, sequence }) => `${history}:${sequence}`);
  return ENCODER.encode(`node rejoin ${host} ${port} ${words.join(" ")}\r\n`);
}

/** Parses the words after `node rejoin`; undefined if they are malformed. */
export function parseRejoin(words: readonly string[]): RejoinRequest | undefined {
  const [host, port, ...texts] = words;
  const positions = texts.map(positionOf);
  if (host === undefined || port === undefined || positions.length === 0 || positions.includes(undefined)) return undefined;
  return { host, port, positions: positions as NamedPosition[] };
}

/** `REJOIN <stream> <history> <sequence> <next sequence>` */
export function rejoinLine({ id, history, sequence, next }: RejoinAnswer): string {
  return `${REJOIN} ${id} ${history} ${sequence} ${next}`;
}

/** Parses the answer; undefined: another one. */
export function parseRejoinLine(line: string): RejoinAnswer | undefined {
  const [first, id = "", history = "", ...texts] = line.split(" ");
  const [sequence, next] = texts.map((text) => parseWholeNumber(text, Number.MAX_SAFE_INTEGER));
  if (first !== REJOIN || texts.length !== 2 || sequence === undefined || next === undefined) return undefined;
  return HISTORY.test(id) && HISTORY.test(history) ? { id, history, sequence, next } : undefined;
}

/** `node rewrite <partition>/<partitions> <key>:<digest>…`, keys in base64, `-` for no item. */
export function encodeRewrite({ partition, count, keys }: RewriteRequest): Uint8Array {
  const words = keys.map(({ key, digest }) => `${base64(key)}:${digest ?? "-"}`);
  return ENCODER.encode(`node rewrite ${partition}/${count} ${words.join(" ")}\r\n`);
}

/** Parses the words after `node rewrite`; undefined if they are malformed. */
export function parseRewrite(words: readonly string[]): RewriteRequest | undefined {
  const [part = "", ...texts] = words;
  const [, partitionText, countText] = PART.exec(part) ?? [];
  const [partition, count] = [Number(partitionText), Number(countText)];
  const keys = texts.map(changedKeyOf);
  if (!(partition < count) || keys.length === 0 || keys.includes(undefined)) return undefined;
  return { partition, count, keys: keys as ChangedKey[] };
}

function positionOf(text: string): NamedPosition | undefined {
  const [history = "", sequenceText, ...rest] = text.split(":");
  const sequence = parseWholeNumber(sequenceText, Number.MAX_SAFE_INTEGER);
  return HISTORY.test(history) && sequence !== undefined && rest.length === 0 ? { history, sequence } : undefined;
}

function changedKeyOf(text: string): ChangedKey | undefined {
  const [keyText = "", digest = "", ...rest] = text.split(":");
  const bytes = fromLatin1(keyText);
  const key = decodeBase64(bytes, 0, bytes.length);
  if (key === undefined || key.length === 0 || !DIGEST.test(digest) || rest.length > 0) return undefined;
  return { key, digest: digest === "-" ? undefined : digest };
}
