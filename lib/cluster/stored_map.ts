/**
 * What index servers store: the node map and the term of the index server that stored it, as the text of a `flare.xml` with a
 * checksum; when it is moved to another place, a mark, too. These are lines at the end, which the original's reader ignores and
 * its writer omits. One character per byte; no file access.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { crc32 } from "../base/crc32.ts";
import { FlareError } from "../base/errors.ts";
import { decodeFlareXml, encodeFlareXml } from "./flare_xml.ts";
import { EMPTY_NODE_MAP, type NodeMap } from "./node_map.ts";

/** A map, and who stored it. */
export interface StoredMap {
  readonly map: NodeMap;
  /**
   * Each start of an index server on a map has a higher term than every start before: the one with the highest term leads. 0:
   * stored by the original or by an operator.
   */
  readonly term: number;
  /** Nobody leads in this place, or changes the map here. Absent: somebody may. */
  readonly mark?: MoveMark;
}

/** A map that is moved to another place: it has gone there, or is about to arrive from there. */
export interface MoveMark {
  readonly kind: "gone to" | "arriving from";
  /** The other place, in the form of `index-db`. */
  readonly place: string;
}

/** The names of the marks. */
const MARKS = { "gone to": "flare_kv_gone_to", "arriving from": "flare_kv_arriving_from" } as const;
const MARK = /<(flare_kv_gone_to|flare_kv_arriving_from)>([^<]*)<\/\1>/;

/** Nothing is stored. */
export const NOTHING_STORED: StoredMap = Object.freeze({ map: EMPTY_NODE_MAP, term: 0 });

/** In the place of a checksum: somebody edited the text. */
const UNCHECKED = "unchecked";
const END = "</boost_serialization>";
const TERM = /<flare_kv_term>(\d{1,15})<\/flare_kv_term>/;
const CHECKSUM = /<flare_kv_checksum>(.*)<\/flare_kv_checksum>\n/;

/** The text of `stored`. @param archiveVersion as of `encodeFlareXml` */
export function encodeStoredMap({ map, term, mark }: StoredMap, archiveVersion?: number): string {
  const xml = encodeFlareXml(map, archiveVersion);
  const at = xml.lastIndexOf(END);
  const marked = mark === undefined ? "" : `<${MARKS[mark.kind]}>${escapePlace(mark.place)}</${MARKS[mark.kind]}>\n`;
  const start = `${xml.slice(0, at)}${marked}<flare_kv_term>${term}</flare_kv_term>\n`;
  const end = xml.slice(at);
  return `${start}<flare_kv_checksum>${checksumOf(start + end)}</flare_kv_checksum>\n${end}`;
}

/** Reads a text of ours, of the original's or of an earlier version's. @throws FlareError CORRUPT */
export function decodeStoredMap(text: string): StoredMap {
  const term = TERM.exec(text);
  const checksum = CHECKSUM.exec(text);
  if (term !== null || checksum !== null) checkSum(text, checksum?.[1]);
  const stored = { map: decodeFlareXml(text), term: Number(term?.[1] ?? 0) };
  const [, name, place = ""] = MARK.exec(text) ?? [];
  if (name === undefined) return stored;
  const kind = name === MARKS["gone to"] ? "gone to" : "arriving from";
  return { ...stored, mark: { kind, place: unescapePlace(place) } };
}

function escapePlace(place: string): string {
  return place.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function unescapePlace(text: string): string {
  return text.replace(/&#(\d{1,3});/g, (_, code) => String.fromCharCode(Number(code)));
}

/** What a mark means for whoever wants to lead or to change the map. */
export function markText({ map, term, mark }: StoredMap): string | undefined {
  if (mark === undefined) return undefined;
  const { kind, place } = mark;
  if (kind === "arriving from") return `the node map is to arrive here from "${place}": run "flare index move" again`;
  return `the node map has gone to "${place}", version ${map.version} in term ${term}: start index servers with that index-db`;
}

function checkSum(text: string, said: string | undefined): void {
  const found = checksumOf(text.replace(CHECKSUM, ""));
  if (said === found || said === UNCHECKED) return;
  const problem = said === undefined ? "its checksum is missing" : `its content has the checksum "${found}", not "${said}"`;
  throw new FlareError("CORRUPT", `${problem}; if it was edited: write "${UNCHECKED}" into <flare_kv_checksum> to accept it`);
}

function checksumOf(text: string): string {
  return crc32(fromLatin1(text)).toString(16).padStart(8, "0");
}
