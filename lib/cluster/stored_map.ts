/**
 * What index servers store: the node map and the term of the index server that stored it, as the text of a `flare.xml` with a
 * checksum. Term and checksum are lines at the end, which the original's reader ignores and its writer omits. One character per
 * byte; no file access.
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
}

/** Nothing is stored. */
export const NOTHING_STORED: StoredMap = Object.freeze({ map: EMPTY_NODE_MAP, term: 0 });

/** In the place of a checksum: somebody edited the text. */
const UNCHECKED = "unchecked";
const END = "</boost_serialization>";
const TERM = /<flare_kv_term>(\d{1,15})<\/flare_kv_term>/;
const CHECKSUM = /<flare_kv_checksum>(.*)<\/flare_kv_checksum>\n/;

/** The text of `stored`. @param archiveVersion as of `encodeFlareXml` */
export function encodeStoredMap({ map, term }: StoredMap, archiveVersion?: number): string {
  const xml = encodeFlareXml(map, archiveVersion);
  const at = xml.lastIndexOf(END);
  const start = `${xml.slice(0, at)}<flare_kv_term>${term}</flare_kv_term>\n`;
  const end = xml.slice(at);
  return `${start}<flare_kv_checksum>${checksumOf(start + end)}</flare_kv_checksum>\n${end}`;
}

/** Reads a text of ours, of the original's or of an earlier version's. @throws FlareError CORRUPT */
export function decodeStoredMap(text: string): StoredMap {
  const term = TERM.exec(text);
  const checksum = CHECKSUM.exec(text);
  if (term !== null || checksum !== null) checkSum(text, checksum?.[1]);
  return { map: decodeFlareXml(text), term: Number(term?.[1] ?? 0) };
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
