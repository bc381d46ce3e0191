/**
 * A record of the history of the node map: what an index server changed with one store, why, and when; and its text, one line
 * of JSON in ASCII. Pure.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";

/** One stored map. */
export interface MapRecord {
  /** The map's version. */
  readonly version: Uint64;
  /** The term of the index server that stored it. */
  readonly term: number;
  /** When, by that server's wall clock, in milliseconds since 1970. */
  readonly atMs: number;
  /** That server's `host:port`. */
  readonly server: string;
  /** The command or event behind it, and who sent it. */
  readonly cause: string;
  /** What happened to each node, as in the log: `lost "10.0.0.1:12121": …`. Empty if only the term is another. */
  readonly events: readonly string[];
}

/** How many records are kept. */
export const HISTORY_MAX = 100;
/** A map that changes everything at once has a record of bounded size. */
const EVENTS_MAX = 20;
const TEXT_MAX = 500;

/** A record's text. Texts that are too long end with `…`, and of many events the first ones stay. */
export function encodeMapRecord({ version, term, atMs, server, cause, events }: MapRecord): string {
  const shown = events.slice(0, EVENTS_MAX).map(cut);
  if (events.length > EVENTS_MAX) shown.push(`and ${events.length - EVENTS_MAX} more`);
  const fields = { version: String(version), term, time: Math.floor(atMs), server, cause: cut(cause), events: shown };
  return JSON.stringify(fields).replace(/[^\x20-\x7e]/g, escapeCharacter);
}

/** Reads such a text; undefined if it is none. */
export function decodeMapRecord(text: string): MapRecord | undefined {
  const { version, term, time, server, cause, events } = parseObject(text);
  const number = typeof version === "string" ? parseUint64(fromLatin1(version), 0, version.length) : undefined;
  if (number === undefined || !isCount(term) || !isCount(time)) return undefined;
  if (typeof server !== "string" || typeof cause !== "string" || !isTexts(events)) return undefined;
  return { version: number, term, atMs: time, server, cause, events };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function cut(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
