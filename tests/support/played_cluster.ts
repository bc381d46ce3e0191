/** The servers of a cluster as somebody sees them who only asks for their statistics: each answers what a test wants. */

import { createNode, type NodeRole, NodeState } from "../../lib/cluster/node.ts";
import { EMPTY_NODE_MAP, type NodeMap } from "../../lib/cluster/node_map.ts";
import type { PlayedNetwork } from "./played_network.ts";

/** The figures of a server by the words after `stats`, `""` for the general ones; undefined = silence. */
export type PlayedFigures = Readonly<Record<string, Readonly<Record<string, string | number>>>> | undefined;

export class PlayedCluster {
  /** By `host:port`. */
  readonly figures = new Map<string, PlayedFigures>();
  /** Every request, as `host:port > request`. */
  readonly requests: string[] = [];

  constructor(network: PlayedNetwork) {
    network.onConnect = (key, far) => {
      far.onReceived = () => {
        for (let end = far.received.indexOf("\r\n"); end >= 0; end = far.received.indexOf("\r\n")) {
          const request = far.received.slice(0, end);
          far.received = far.received.slice(end + 2);
          this.requests.push(`${key} > ${request}`);
          const answer = this.#answer(key, request);
          if (answer !== undefined) far.send(answer);
        }
      };
    };
  }

  /** How often a server was asked for something. */
  asked(key: string, request: string): number {
    return this.requests.filter((line) => line === `${key} > ${request}`).length;
  }

  #answer(key: string, request: string): string | undefined {
    const figures = this.figures.get(key);
    if (figures === undefined) return undefined;
    const [, words = ""] = /^stats ?(.*)$/.exec(request) ?? [];
    const report = figures[words];
    if (report === undefined) return "ERROR\r\n";
    return `${Object.entries(report)
      .map(([name, value]) => `STAT ${name} ${value}\r\n`)
      .join("")}END\r\n`;
  }
}

/** A map of nodes on `127.0.0.1`, each by its port. */
export function playedMap(
  version: number,
  nodes: readonly (readonly [port: number, role: NodeRole, partition: number, state?: NodeState])[],
): NodeMap {
  return {
    ...EMPTY_NODE_MAP,
    version,
    nodes: nodes.map(([port, role, partition, state = NodeState.active]) =>
      createNode({ host: "127.0.0.1", port, role, state, partition, balance: 1, threadType: 16 + port }),
    ),
  };
}
