/**
 * Whole sessions of an index server, with nodes that answer what they are asked: the same answers and the same node map
 * wherever the bytes are cut, and never a map that could not be sent to a node.
 */

import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { encodeNodeLine, encodeNodeList, parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { startIndexServer } from "../../../lib/index_server/index_server.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { IndexWorld } from "../../support/index_world.ts";
import { answerWord } from "../answer_reader.ts";
import { cut } from "../cuts.ts";
import type { FuzzTarget, Met } from "../fuzz_target.ts";
import { FuzzedConnection } from "../fuzzed_connection.ts";
import { refusedExchange, textExchange } from "../request_grammar.ts";

const COMMANDS_MAX = 12;
const HOSTS = ["a", "b", "c", "node.example", "::1", "", "x".repeat(300)];
const PORTS = ["1", "1", "12121", "0", "65536", "-1", "x"];
const ROLES = ["master", "slave", "proxy", "none"];
const STATES = ["active", "prepare", "ready", "down", "up"];
const NUMBERS = ["0", "0", "1", "2", "-1", "1023", "1024", "4294967296", "x"];
const REPORTS = ["ping", "version", "meta", "stats", "stats nodes", "stats threads", "show variables", "verbosity 1", "quit"];
/** A cluster to begin with. */
const BEFORE = "node add a 1\r\nnode add b 1\r\nnode add c 1\r\nnode role a 1 master 1 0\r\nnode role b 1 slave 0 0\r\n";

/** What has been read and written by now, and what is under way, depends on how the bytes come. */
const TRAFFIC = /^(STAT (?:bytes_(?:read|written)|\d+:\w+)) .*$/gm;

export const indexTarget: FuzzTarget = {
  name: "index",
  oracle: "an index server has the same answers and the same map wherever its requests are cut; its map can be sent to nodes",
  open: () => Promise.resolve({ generate, run, close: () => Promise.resolve() }),
};

function generate(random: SimRandom): Uint8Array {
  return fromLatin1(Array.from({ length: random.between(1, COMMANDS_MAX) }, () => command(random)).join(""));
}

function command(random: SimRandom): string {
  const node = random.chance(0.8) ? `${random.pick(["a", "b", "c"])} 1` : `${random.pick(HOSTS)} ${random.pick(PORTS)}`;
  switch (random.between(0, 8)) {
    case 0:
      return `node add ${node}\r\n`;
    case 1:
    case 2:
      return `node role ${node} ${random.pick(ROLES)} ${random.pick(NUMBERS)} ${random.pick(NUMBERS)}\r\n`;
    case 3:
    case 4:
      return `node state ${node} ${random.pick(STATES)}\r\n`;
    case 5:
      return `${random.pick(["node remove", "shutdown", "node sync", "node"])} ${node}\r\n`;
    case 6:
      return `${random.pick(["kill 999999", "kill", "node", ...REPORTS])}\r\n`;
    case 7:
      return random.chance(0.5) ? textExchange(random).bytes : refusedExchange(random).bytes;
    default:
      return `${random.pick(REPORTS)}\r\n`;
  }
}

async function run(input: Uint8Array, random: SimRandom): Promise<Met> {
  const whole = await converse(input.length === 0 ? [] : [input], random, 0);
  const cutUp = await converse(cut(input, random), random, random.pick([0, 0.5, 0.9]));
  if (cutUp.map !== whole.map) throw new Error(`map, whole: ${whole.map}, cut: ${cutUp.map}`);
  if (cutUp.answer !== whole.answer) {
    throw new Error(`whole: ${JSON.stringify(whole.answer)}, cut: ${JSON.stringify(cutUp.answer)}`);
  }
  return new Set(whole.answer.split("\r\n").map(answerWord));
}

async function converse(
  chunks: readonly Uint8Array[],
  random: SimRandom,
  slow: number,
): Promise<{ answer: string; map: string }> {
  const world = new IndexWorld();
  const server = await startIndexServer(world, indexServerOptions({ indexDb: "memory://", serverName: "index", bind: "i" }));
  await world.ask(BEFORE);
  const talk = new FuzzedConnection(random, slow).talk((connection) => world.accept(connection), chunks);
  const answer = await world.network.during(talk);
  const map = encodeNodeList(server.nodeMap);
  const fault = world.logged.find((line) => line.startsWith("error"));
  if (fault !== undefined) throw new Error(`the index server reported: ${fault}`);
  for (const line of map.split("\r\n").filter((each) => each.startsWith("NODE "))) {
    const node = parseNodeLine(line);
    if (node === undefined || encodeNodeLine(node).trimEnd() !== line) throw new Error(`no node understands "${line}"`);
  }
  await world.network.during(server.stop());
  return { answer: answer.replace(TRAFFIC, "$1"), map };
}
