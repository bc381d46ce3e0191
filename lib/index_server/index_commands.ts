/**
 * The commands that change the node map, from words to the change they ask for. Pure; exactly the original's texts,
 * because tools match them, and a few words that only our own nodes and tools say. How a change is stored and told to
 * the nodes is `node_map_service.ts`.
 */

import { ANY_DATA, parseDataIdentity } from "../cluster/data_identity.ts";
import { NodeState, nodeKey, PARTITION_NONE, parseRole, parseState } from "../cluster/node.ts";
import { acceptAnyData, joinNode } from "../cluster/node_join.ts";
import type { NodeMap, Transition } from "../cluster/node_map.ts";
import { removeNode, setRole, setState, shutdown } from "../cluster/node_map.ts";
import { encodeNodeList } from "../cluster/node_map_codec.ts";

/** A change of the node map, and what to answer. */
export interface MapChange {
  /** The next map, or the refusal; `silent` tells that the node named by `asksAfter` did not answer. */
  apply(map: NodeMap, silent: boolean): Transition;
  /** The key of a node that is pinged first if the map says that it is there. */
  readonly asksAfter?: string;
  /** The complete answer once the map is stored. */
  reply(map: NodeMap): string;
  /** The text behind `SERVER_ERROR` if it cannot be stored. */
  readonly failure: string;
  /** The answer waits until all nodes have heard, or have had their time: what asks is about to stop. */
  readonly awaitsAll?: boolean;
  /** What was asked for or found out, and by whom, for the log. */
  readonly cause: string;
}

/** A change as a command asks for it; who said the command is for its receiver to add. */
export type AskedChange = Omit<MapChange, "cause">;

const INT32_MAX = 0x7fffffff;
/** Behind `node state … active`: whatever data the node has, they count. Ours alone understands it. */
const UNSAFE = "unsafe";

/** What `shutdown` followed by `words` asks for; undefined = `ERROR`. */
export function shutdownChange(words: readonly string[]): AskedChange | undefined {
  const node = parseNode(words);
  if (node === undefined || words.length !== 2) return undefined;
  return { ...change((map) => shutdown(map, node.key), "failed to shutdown"), awaitsAll: true };
}

/** Makes the change a form of `node` asks for of its words, of which the first two are the node; undefined = `ERROR`. */
type NodeForm = (node: GivenNode, rest: readonly string[], partitionCountMax: number) => AskedChange | undefined;

const NODE_FORMS = {
  add: ({ key, host, port }, words) => {
    // A node of ours goes on with which data it has, once `meta` has told it that it may.
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
    if (state === undefined || words.length !== 1) return undefined;
    return change((map) => setState(map, key, state), "failed to set state");
  },
  role: ({ key }, words, partitionCountMax) => {
    // Words behind the partition are ignored, as the original does.
    const role = parseRole(words[0] ?? "");
    const balance = parseInteger(words[1] ?? "0");
    const partition = parseInteger(words[2] ?? String(PARTITION_NONE));
    if (role === undefined || balance === undefined || partition === undefined) return undefined;
    const request = { role, balance, partition };
    return change((map) => setRole(map, key, request, partitionCountMax), "failed to set role (and balance)");
  },
} as const satisfies Readonly<Record<string, NodeForm>>;

/** What can follow `node`. */
export type NodeFormWord = keyof typeof NODE_FORMS;

/**
 * What `node <form>` followed by `words` asks for; undefined = `ERROR`. There can be `partitionCountMax` partitions.
 */
export function nodeChange(form: NodeFormWord, words: readonly string[], partitionCountMax: number): AskedChange | undefined {
  const node = parseNode(words);
  return node === undefined ? undefined : NODE_FORMS[form](node, words.slice(2), partitionCountMax);
}

function change(apply: (map: NodeMap) => Transition, failure: string): AskedChange {
  return { apply, reply: () => "OK\r\n", failure };
}

interface GivenNode {
  readonly key: string;
  readonly host: string;
  readonly port: number;
}

/** The node named by the first two words. */
function parseNode(words: readonly string[]): GivenNode | undefined {
  const host = words[0];
  const port = parseInteger(words[1] ?? "");
  if (host === undefined || port === undefined || port < 0 || port > 65535) return undefined;
  return { key: nodeKey(host, port), host, port };
}

/** A decimal integer of 32 bits, or undefined. */
function parseInteger(word: string): number | undefined {
  if (!/^-?\d{1,10}$/.test(word)) return undefined;
  const value = Number(word);
  return value >= -INT32_MAX - 1 && value <= INT32_MAX ? value : undefined;
}
