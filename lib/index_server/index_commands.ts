/**
 * The commands that change the node map, from words to changes. Pure; exactly the original's texts, because tools match them,
 * plus a few words that only our own nodes and tools send. `node_map_service.ts` stores and broadcasts changes.
 */

import { fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { PORT_MAX } from "../base/host_port.ts";
import { parseUint64, type Uint64 } from "../base/uint64.ts";
import { parseInt32 } from "../base/whole_number.ts";
import { ANY_DATA, parseDataIdentity } from "../cluster/data_identity.ts";
import { addToSet, becomeReady, removeFromSet } from "../cluster/in_sync_set.ts";
import { IMPORT_FAILURE, importMap } from "../cluster/map_import.ts";
import { NodeState, nodeKey, PARTITION_NONE, parseRole, parseState } from "../cluster/node.ts";
import { acceptAnyData, joinNode } from "../cluster/node_join.ts";
import type { NodeMap, Transition } from "../cluster/node_map.ts";
import { removeNode, STORED, setRole, setState, shutdown } from "../cluster/node_map.ts";
import { encodeNodeList } from "../cluster/node_map_codec.ts";
import { decodeStoredMap } from "../cluster/stored_map.ts";

/** A change of the node map, and what to answer. */
export interface MapChange {
  /** The next map, or the refusal; `silent`: the node `asksAfter` did not answer. */
  apply(map: NodeMap, silent: boolean): Transition;
  /** The key of a node to be pinged first if it is up in the map. */
  readonly asksAfter?: string;
  /** The complete answer once the map is stored. */
  reply(map: NodeMap): string;
  /** The text after `SERVER_ERROR` if it cannot be stored. */
  readonly failure: string;
  /** The answer waits until all nodes have the map or have timed out: the requesting node is about to stop. */
  readonly awaitsAll?: boolean;
  /** The place the map is about to go to: nobody changes it here afterwards. */
  readonly goesTo?: string;
  /** The command or event behind it, and who sent it, for the log. */
  readonly cause: string;
}

/** A change as parsed from a command; its receiver adds who sent it. */
export type AskedChange = Omit<MapChange, "cause">;

/** A change as a command: the index server that leads gets it in this form. */
export interface CommandedChange extends MapChange {
  /** The command, without a line end. */
  readonly command: string;
  /** The address that it came from. */
  readonly from: string;
}

/** After `node state … active`: whatever data the node has is accepted. Only our index server understands it. */
const UNSAFE = "unsafe";

/** The change of `shutdown` followed by `words`; undefined = `ERROR`. */
export function shutdownChange(words: readonly string[]): AskedChange | undefined {
  const node = parseNode(words);
  if (node === undefined || words.length !== 2) return undefined;
  return { ...change((map) => shutdown(map, node.key), "failed to shutdown"), awaitsAll: true };
}

/** Before the rest of `index`: the map goes to another place. */
export const MOVE_WORD = "move";
/** A place that a map can go to. */
const PLACE = /^(?:file|etcds?|zookeepers?):\/\/./;

/** The change of `index move` followed by `words`: the map stays as it is, and gets a mark; undefined = `ERROR`. */
export function moveChange(words: readonly string[]): AskedChange | undefined {
  const [place = "", ...rest] = words;
  if (!PLACE.test(place) || rest.length > 0) return undefined;
  const apply = (map: NodeMap): Transition => ({ ok: true, map, changes: STORED });
  return { ...change(apply, "failed to move the node map"), goesTo: place };
}

/** Before the rest of `index`: a map is imported. */
export const IMPORT_WORD = "import";
/** After an imported map: it may be older than the one it replaces. */
export const OLDER_WORD = "older";

/**
 * The change of `index import` followed by `words`: the version of the map to be replaced, the text of the imported one in
 * base64, and perhaps a word that allows an older one; undefined = `ERROR`.
 */
export function importChange(words: readonly string[]): AskedChange | undefined {
  const [version = "", content = "", older, ...rest] = words;
  const seen = parseVersion(version);
  const imported = decodeContent(content);
  if (seen === undefined || imported === undefined || rest.length > 0) return undefined;
  if (older !== undefined && older !== OLDER_WORD) return undefined;
  return change((map) => importMap(map, imported, { seen, allowsOlder: older === OLDER_WORD }), IMPORT_FAILURE);
}

function decodeContent(content: string): NodeMap | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(content) || content.length % 4 !== 0) return undefined;
  try {
    return decodeStoredMap(atob(content)).map;
  } catch (error) {
    if (error instanceof FlareError) return undefined;
    throw error;
  }
}

/** The states that a node gets by a map of a certain version. */
const SET_TRANSITIONS: { readonly [state: number]: typeof addToSet | undefined } = {
  [NodeState.prepare]: removeFromSet,
  [NodeState.ready]: becomeReady,
  [NodeState.active]: addToSet,
};

/** Parses a form of `node` into its change; undefined = `ERROR`. */
type NodeForm = (node: GivenNode, rest: readonly string[], partitionCountMax: number) => AskedChange | undefined;

const NODE_FORMS = {
  add: ({ key, host, port }, words) => {
    // Our own nodes add their data identity, if `meta` allows it.
    const data = parseDataIdentity(words);
    if ((data === undefined && words.length !== 0) || data === ANY_DATA) return undefined;
    return {
      apply: (map, silent) => joinNode(map, { host, port, data, silent }),
      asksAfter: key,
      reply: encodeNodeList,
      failure: "failed to add node",
    };
  },
  remove: ({ key }, words) => (words.length === 0 ? change((map) => removeNode(map, key), "failed to remove node") : undefined),
  state: ({ key }, words) => {
    const state = parseState(words[0] ?? "");
    if (state === NodeState.active && words.length === 2 && words[1] === UNSAFE) {
      return change((map) => acceptAnyData(map, key), "failed to set state");
    }
    const transition = state === undefined ? undefined : SET_TRANSITIONS[state];
    if (words.length === 2 && transition !== undefined) {
      const version = parseVersion(words[1] as string);
      if (version === undefined) return undefined;
      return change((map) => transition(map, key, version), "failed to change the in-sync set");
    }
    if (state === undefined || words.length !== 1) return undefined;
    return change((map) => setState(map, key, state), "failed to set state");
  },
  role: ({ key }, words, partitionCountMax) => {
    // Words after the partition are ignored, as in the original.
    const role = parseRole(words[0] ?? "");
    const balance = parseInt32(words[1] ?? "0");
    const partition = parseInt32(words[2] ?? String(PARTITION_NONE));
    if (role === undefined || balance === undefined || partition === undefined) return undefined;
    const request = { role, balance, partition };
    return change((map) => setRole(map, key, request, partitionCountMax), "failed to set role (and balance)");
  },
} as const satisfies Readonly<Record<string, NodeForm>>;

/** What can follow `node`. */
export type NodeFormWord = keyof typeof NODE_FORMS;

/** The change of `node <form>` followed by `words`; undefined = `ERROR`. `partitionCountMax` limits the partitions. */
export function nodeChange(form: NodeFormWord, words: readonly string[], partitionCountMax: number): AskedChange | undefined {
  const node = parseNode(words);
  return node === undefined ? undefined : NODE_FORMS[form](node, words.slice(2), partitionCountMax);
}

/** The change of a whole command, `node`, `shutdown`, `index import` or `index move`; undefined = `ERROR`. */
export function commandedChange([command, ...words]: readonly string[], partitionCountMax: number): AskedChange | undefined {
  if (command === "shutdown") return shutdownChange(words);
  const [form = "", ...rest] = words;
  if (command === "index" && form === IMPORT_WORD) return importChange(rest);
  if (command === "index" && form === MOVE_WORD) return moveChange(rest);
  if (command !== "node" || !Object.hasOwn(NODE_FORMS, form)) return undefined;
  return nodeChange(form as NodeFormWord, rest, partitionCountMax);
}

function change(apply: (map: NodeMap) => Transition, failure: string): AskedChange {
  return { apply, reply: () => "OK\r\n", failure };
}

interface GivenNode {
  readonly key: string;
  readonly host: string;
  readonly port: number;
}

/** The node of the first two words. */
function parseNode(words: readonly string[]): GivenNode | undefined {
  const host = words[0];
  const port = parseInt32(words[1]);
  if (host === undefined || port === undefined || port < 0 || port > PORT_MAX) return undefined;
  return { key: nodeKey(host, port), host, port };
}

/** A version of the node map, which only our own nodes name. */
function parseVersion(word: string): Uint64 | undefined {
  return parseUint64(fromLatin1(word), 0, word.length);
}
