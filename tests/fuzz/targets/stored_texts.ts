/**
 * What is read from files and from other daemons when a server starts or the cluster changes: the node map in both its
 * forms, the key parameters, config files, the change log. What is damaged is refused, never misread.
 */

import { concatBytes, fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { parseConfigFile } from "../../../lib/base/config_file.ts";
import { printConfig, resolveSettings } from "../../../lib/base/settings.ts";
import { decodeFlareXml, encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { type ClusterNode, createNode, type NodeRole, type NodeState } from "../../../lib/cluster/node.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { encodeMeta, encodeNodeLine, META_DEFAULTS, parseMeta, parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { nodeOptionTable } from "../../../lib/node_server/node_options.ts";
import {
  decodeLogHeader,
  encodeLogHeader,
  encodeLogRecord,
  LOG_HEADER_BYTES,
  LOG_RECORD_HEADER_BYTES,
  LogKind,
  LogReader,
  logRecordCrc,
} from "../../../lib/storage/log/log_record.ts";
import { SimRandom } from "../../../lib/testing/sim_random.ts";
import type { Met } from "../fuzz_target.ts";
import { corruption, kindOf, pureTarget } from "./reply_parsers.ts";

const HOSTS = ["a", "127.0.0.1", "node-1.example.org", "x&y<z>", "\x80"];

export const nodeMapTarget = pureTarget(
  "node_map",
  "NODE and META lines are read or refused; what was read and written again is read the same",
  (random) => (random.chance(0.7) ? nodes(random).map(encodeNodeLine).join("") : encodeMeta(META_DEFAULTS)),
  runNodeMap,
);

export const flareXmlTarget = pureTarget(
  "flare_xml",
  "flare.xml is read or refused as corrupt, in time that grows with its length; what was read is written and read the same",
  (random) => encodeFlareXml(createNodeMap(random.uint32(), nodes(random), 100)),
  runFlareXml,
);

export const optionsTarget = pureTarget(
  "options",
  "a config file gives settings or a refusal; settings written down give the same settings",
  config,
  runOptions,
);

export const logTarget = pureTarget(
  "log",
  "of a damaged log segment only records that were written are read, in order; none outside the damage is lost",
  (random) => String.fromCharCode(...Array.from({ length: 8 }, () => random.between(0, 255))),
  runLog,
);

function nodes(random: SimRandom): ClusterNode[] {
  return Array.from({ length: random.between(0, 4) }, (_, i) =>
    createNode({
      host: random.pick(HOSTS),
      port: 1 + i + random.between(0, 9) * 10,
      role: random.between(0, 2) as NodeRole,
      state: random.between(0, 3) as NodeState,
      partition: random.between(-1, 2),
      balance: random.between(0, 3),
      threadType: 16 + i,
    }),
  );
}

function runNodeMap(input: Uint8Array): Met {
  const lines = latin1(input).split(/\r?\n/);
  const met = new Set<string>();
  for (const line of lines) {
    const node = parseNodeLine(line);
    met.add(node === undefined ? "no node" : `node ${node.role} ${node.state}`);
    if (node === undefined) continue;
    const again = parseNodeLine(encodeNodeLine(node).trimEnd());
    if (JSON.stringify(again) !== JSON.stringify(node))
      throw new Error(`${JSON.stringify(node)} became ${JSON.stringify(again)}`);
  }
  const meta = parseMeta(lines.filter((line) => line !== "" && line !== "END"));
  met.add(meta === undefined ? "no meta" : "meta");
  if (meta !== undefined) {
    const again = parseMeta(encodeMeta(meta).split("\r\n").slice(0, -2));
    if (JSON.stringify(again) !== JSON.stringify(meta))
      throw new Error(`${JSON.stringify(meta)} became ${JSON.stringify(again)}`);
  }
  return met;
}

/** A file of a few kilobytes is read in a fraction of this. */
const READ_MS_MAX = 1000;

function runFlareXml(input: Uint8Array): Met {
  const startMs = performance.now();
  const met = readFlareXml(latin1(input));
  const tookMs = performance.now() - startMs;
  if (tookMs > READ_MS_MAX) throw new Error(`reading ${input.length} bytes took ${tookMs} ms`);
  return new Set([met]);
}

function readFlareXml(text: string): string {
  try {
    const written = encodeFlareXml(decodeFlareXml(text));
    if (encodeFlareXml(decodeFlareXml(written)) !== written) throw new Error(`written and read again differs: ${written}`);
    return "read";
  } catch (error) {
    return kindOf(corruption(error));
  }
}

function config(random: SimRandom): string {
  const lines = Array.from({ length: random.between(0, 5) }, () => {
    const option = random.pick(Object.values(nodeOptionTable));
    const value = random.chance(0.7)
      ? option.format(option.default as never)
      : random.pick(["", "0", "-1", "x y", "true", "a:1,b:2"]);
    return `${option.name} = ${value}${random.chance(0.2) ? " # why" : ""}`;
  });
  return `${lines.join("\n")}\n`;
}

function runOptions(input: Uint8Array): Met {
  try {
    const text = latin1(input);
    parseConfigFile(text, "flared.conf");
    const settings = resolveSettings(nodeOptionTable, { file: { path: "flared.conf", text } });
    const written = printConfig(nodeOptionTable, settings);
    const again = resolveSettings(nodeOptionTable, { file: { path: "flared.conf", text: written } });
    // A value that cannot stand in a file is written as a comment that says so.
    if (!written.includes("a config file cannot contain") && printedValues(again.values) !== printedValues(settings.values)) {
      throw new Error(`written down and read again differs: ${written}`);
    }
    return new Set(["settings"]);
  } catch (error) {
    return new Set([kindOf(corruption(error, "INVALID_OPTION"))]);
  }
}

function printedValues(values: object): string {
  return JSON.stringify(values);
}

/** The input decides what is in the segment and how it is damaged. */
function runLog(input: Uint8Array): Met {
  const random = new SimRandom(latin1(input));
  const written: { text: string; start: number; end: number }[] = [];
  const salt = random.uint32();
  const parts: Uint8Array[] = [encodeLogHeader({ salt, history: "00000000000000aa", firstSequence: 1 })];
  let length = LOG_HEADER_BYTES;
  for (let sequence = 1; sequence <= random.between(1, 8); sequence++) {
    const key = fromLatin1(`key${sequence}`);
    const value = fromLatin1("\xa3\xf1v".repeat(random.between(0, 30)));
    const record = new Uint8Array(LOG_RECORD_HEADER_BYTES + key.length + value.length);
    const view = new DataView(record.buffer);
    const entry = { bytes: key, keyStart: 0, keyEnd: key.length, flags: 5, expire: 6, version: sequence, marks: 0 };
    const at = encodeLogRecord(record, view, 0, LogKind.put, 1, sequence, entry, value.length);
    record.set(value, at);
    view.setUint32(0, logRecordCrc(record, 0, record.length, salt), true);
    written.push({ text: `${sequence} ${latin1(key)} ${latin1(value)}`, start: length, end: length + record.length });
    parts.push(record);
    length += record.length;
  }
  const bytes = concatBytes(parts);
  const damaged = damage(bytes, random);
  const header = decodeLogHeader(damaged, "log");
  if (header === undefined) return new Set(["no header"]);
  const reader = new LogReader(damaged, header);
  const texts = written.map(({ text }) => text);
  const read: string[] = [];
  while (reader.next()) {
    const { sequence, keyStart, keyEnd, valueStart, valueEnd } = reader;
    read.push(`${sequence} ${latin1(reader.bytes, keyStart, keyEnd)} ${latin1(reader.bytes, valueStart, valueEnd)}`);
  }
  let last = -1;
  for (const text of read) {
    const index = texts.indexOf(text);
    if (index <= last) throw new Error(`"${text}" was read behind "${texts[last]}", or never written`);
    last = index;
  }
  const common = commonPrefix(bytes, damaged);
  const lost = written.filter(({ text, end }) => end <= common && !read.includes(text));
  if (lost.length > 0) throw new Error(`${lost.length} record(s) in front of the damage were not read`);
  const tail = commonTail(bytes, damaged, common);
  const behind = written.filter(({ text, start }) => start >= bytes.length - tail && !read.includes(text));
  if (behind.length > 0) throw new Error(`${behind.length} record(s) behind the damage were not read`);
  return new Set([`${read.length} of ${written.length}, ${reader.damages.length} damages`]);
}

/** What disks and file systems do; whole records are not made up or moved, which checksums could not tell. */
function damage(bytes: Uint8Array, random: SimRandom): Uint8Array {
  const from = random.between(0, bytes.length - 1);
  const to = Math.min(bytes.length, from + random.between(1, 1 << random.between(0, 8)));
  const noise = Uint8Array.from({ length: random.between(0, 40) }, () => random.between(0, 255));
  const changed = bytes.slice();
  switch (random.between(0, 5)) {
    case 0:
      return changed;
    case 1:
      changed[from] = (changed[from] as number) ^ (1 << random.between(0, 7));
      return changed;
    case 2:
      return changed.fill(0, from, to);
    case 3:
      return bytes.slice(0, from);
    case 4:
      // Behind the header records may lie anywhere, but not in its place.
      return concatBytes([bytes.subarray(0, Math.max(from, LOG_HEADER_BYTES)), bytes.subarray(Math.max(to, LOG_HEADER_BYTES))]);
    default:
      return concatBytes([bytes.subarray(0, from), noise, bytes.subarray(from)]);
  }
}

function commonPrefix(left: Uint8Array, right: Uint8Array): number {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at++;
  return at;
}

function commonTail(left: Uint8Array, right: Uint8Array, prefix: number): number {
  let count = 0;
  const most = Math.min(left.length, right.length) - prefix;
  while (count < most && left[left.length - 1 - count] === right[right.length - 1 - count]) count++;
  return count;
}
