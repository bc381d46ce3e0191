/**
 * Reads and writes the node map as the text of `flare.xml`, the original index server's Boost XML archive, so that each can
 * continue with the other's file. The writer is byte-exact, except for our nodes' data identities; the reader accepts exactly
 * what the original accepts. One character per byte; no file access.
 */

import { FlareError } from "../base/errors.ts";
import { PORT_MAX } from "../base/host_port.ts";
import { INT32_MAX } from "../base/number_bounds.ts";
import { fromBigInt, UINT64_MAX, type Uint64 } from "../base/uint64.ts";
import { type DataIdentity, encodeDataIdentity, parseDataIdentity } from "./data_identity.ts";
import type { ClusterNode } from "./node.ts";
import { createNode, NodeRole, NodeState, PARTITION_NONE } from "./node.ts";
import type { NodeMap } from "./node_map.ts";
import { createNodeMap, EMPTY_NODE_MAP } from "./node_map.ts";

/** The archive version Boost 1.74 writes; older releases need 4. Readers accept both. */
export const FLARE_XML_ARCHIVE_VERSION = 18;

/** The text of `flare.xml` for a map. */
export function encodeFlareXml(map: NodeMap, archiveVersion: number = FLARE_XML_ARCHIVE_VERSION): string {
  const lines = [
    `<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>`,
    "<!DOCTYPE boost_serialization>",
    `<boost_serialization signature="serialization::archive" version="${archiveVersion}">`,
    `<version>${map.version}</version>`,
    `<node_map class_id="0" tracking_level="0" version="0">`,
    `\t<count>${map.nodes.length}</count>`,
    "\t<item_version>0</item_version>",
  ];
  map.nodes.forEach((node, i) => {
    // Boost describes a class at its first occurrence.
    lines.push(
      i === 0 ? `\t<item class_id="1" tracking_level="0" version="0">` : "\t<item>",
      `\t\t<first>${escapeText(node.key)}</first>`,
      i === 0 ? `\t\t<second class_id="2" tracking_level="0" version="0">` : "\t\t<second>",
      `\t\t\t<node_server_name>${escapeText(node.host)}</node_server_name>`,
      `\t\t\t<node_server_port>${node.port}</node_server_port>`,
      `\t\t\t<node_role>${node.role}</node_role>`,
      `\t\t\t<node_state>${node.state}</node_state>`,
      `\t\t\t<node_partition>${node.partition}</node_partition>`,
      `\t\t\t<node_balance>${node.balance}</node_balance>`,
      `\t\t\t<node_thread_type>${node.threadType}</node_thread_type>`,
      "\t\t</second>",
      "\t</item>",
    );
  });
  lines.push("</node_map>", `<thread_type>${map.nextThreadType}</thread_type>`);
  lines.push(...nodeDataLines(map), "</boost_serialization>", "", "");
  return lines.join("\n");
}

/** The nodes' data identities: at the end, which the original's reader ignores. */
function nodeDataLines({ nodes }: NodeMap): string[] {
  const items = nodes.flatMap(({ key, data }) =>
    data === undefined ? [] : [`\t<${NODE_DATA}>${escapeText(key)} ${encodeDataIdentity(data)}</${NODE_DATA}>`],
  );
  return items.length === 0 ? [] : [`<${NODE_DATA_LIST}>`, ...items, `</${NODE_DATA_LIST}>`];
}

/**
 * Reads the text of a `flare.xml`; an empty text is an empty map. The version may be missing (then it is 0) or have another
 * name; attributes, whitespace between elements and elements after the last one do not matter.
 * @throws FlareError CORRUPT saying what is wrong and where
 */
export function decodeFlareXml(text: string): NodeMap {
  if (text === "") return EMPTY_NODE_MAP;
  const reader = new XmlReader(text);
  reader.prolog();
  reader.open("boost_serialization");
  const version = reader.peeks("node_map") ? 0 : fromBigInt(reader.unsigned(undefined, UINT64_MAX));
  reader.open("node_map");
  const count = Number(reader.unsigned("count", INT32_MAX));
  if (reader.peeks("item_version")) reader.unsigned("item_version", INT32_MAX);
  const nodes: ClusterNode[] = [];
  while (nodes.length < count) nodes.push(decodeItem(reader));
  reader.close("node_map");
  const nextThreadType = Number(reader.unsigned("thread_type", INT32_MAX));
  const data = decodeNodeData(reader);
  reader.end("boost_serialization");
  if (new Set(nodes.map((node) => node.key)).size < nodes.length) throw reader.fault("a node is listed twice");
  const excess = nodes.find((node) => node.threadType >= nextThreadType);
  if (excess !== undefined) throw reader.fault(`node_thread_type of "${excess.key}" is not below thread_type`);
  return createNodeMap(
    version,
    nodes.map((node) => (data.has(node.key) ? createNode({ ...node, data: data.get(node.key) }) : node)),
    nextThreadType,
  );
}

const NODE_DATA_LIST = "flare_kv_node_data";
const NODE_DATA = "node";

function decodeNodeData(reader: XmlReader): Map<string, DataIdentity> {
  const found = new Map<string, DataIdentity>();
  if (!reader.peeks(NODE_DATA_LIST)) return found;
  reader.open(NODE_DATA_LIST);
  while (reader.peeks(NODE_DATA)) {
    const text = reader.text(NODE_DATA);
    const [key, ...words] = text.split(" ");
    const data = parseDataIdentity(words);
    if (key === undefined || data === undefined) throw reader.fault(`"${text}" is not a node with its data identity`);
    found.set(key, data);
  }
  reader.close(NODE_DATA_LIST);
  return found;
}

function decodeItem(reader: XmlReader): ClusterNode {
  reader.open("item");
  const key = reader.text("first");
  reader.open("second");
  const host = reader.text("node_server_name");
  const port = reader.integer("node_server_port", 0, PORT_MAX);
  const role = reader.integer("node_role", NodeRole.master, NodeRole.proxy) as NodeRole;
  const state = reader.integer("node_state", NodeState.active, NodeState.ready) as NodeState;
  const partition = reader.integer("node_partition", PARTITION_NONE, INT32_MAX);
  const balance = reader.integer("node_balance", 0, INT32_MAX);
  const threadType = reader.integer("node_thread_type", 0, INT32_MAX);
  reader.close("second");
  reader.close("item");
  const node = createNode({ host, port, role, state, partition, balance, threadType });
  if (node.key !== key) throw reader.fault(`"${key}" is not the key of "${node.key}"`);
  return node;
}

/** A reader for the subset of XML in this archive: elements in a fixed order, no comments, no self-closing tags. */
class XmlReader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  prolog(): void {
    this.#take(/\s*<\?xml\s[^>]*\?>\s*<!DOCTYPE\s[^>]*>/y, "an XML declaration and a DOCTYPE");
  }

  /** Whether the next tag opens the element `name`. */
  peeks(name: string): boolean {
    const pattern = new RegExp(`\\s*<${name}[\\s>]`, "y");
    pattern.lastIndex = this.#position;
    return pattern.test(this.#text);
  }

  open(name: string): void {
    this.#take(new RegExp(`\\s*<${name}(?:\\s[^<>]*)?>`, "y"), `<${name}>`);
  }

  close(name: string): void {
    this.#take(new RegExp(`\\s*</${name}\\s*>`, "y"), `</${name}>`);
  }

  /** The closing tag of the outermost element, after any elements that a later release may have added. */
  end(name: string): void {
    this.#take(new RegExp(`(?:(?!</${name})[^])*</${name}\\s*>\\s*$`, "y"), `</${name}>`);
  }

  /** The content of the leaf element `name`, of any name if undefined. */
  text(name: string | undefined): string {
    const tag = name ?? "[A-Za-z_][\\w.-]*";
    const found = this.#take(new RegExp(`\\s*<(${tag})(?:\\s[^<>]*)?>([^<]*)</\\1\\s*>`, "y"), `<${name ?? "version"}>`);
    return unescapeText(found[2] as string);
  }

  unsigned(name: string | undefined, maximum: Uint64): bigint {
    const text = this.text(name);
    const value = /^\d{1,20}$/.test(text) ? BigInt(text) : undefined;
    if (value === undefined || value > maximum) throw this.fault(`"${text}" is not a valid number for <${name ?? "version"}>`);
    return value;
  }

  integer(name: string, minimum: number, maximum: number): number {
    const text = this.text(name);
    const value = /^-?\d{1,10}$/.test(text) ? Number(text) : undefined;
    if (value === undefined || value < minimum || value > maximum)
      throw this.fault(`"${text}" is not a valid number for <${name}>`);
    return value;
  }

  fault(message: string): FlareError {
    return new FlareError("CORRUPT", `${message}, before character ${this.#position}`);
  }

  #take(pattern: RegExp, expected: string): RegExpExecArray {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text);
    if (found === null) throw this.fault(`${expected} is missing`);
    this.#position = pattern.lastIndex;
    return found;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

function unescapeText(text: string): string {
  return Object.entries(ENTITIES).reduceRight((result, [character, entity]) => result.replaceAll(entity, character), text);
}
