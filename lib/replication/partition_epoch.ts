/**
 * The epoch of this node's partition: the version of the node map by which its nodes, their roles or states last changed, as
 * far as this node has seen. For operators, who compare it; between nodes the version of the whole map decides.
 */

import type { NodeMap } from "../cluster/node_map.ts";

export class PartitionEpoch {
  #nodes = "";
  #epoch: NodeMap["version"] = 0;

  /** The node map was replaced. */
  onMap(map: NodeMap, partition: number | undefined): void {
    const nodes = map.nodes
      .filter((node) => node.partition === partition)
      .map(({ key, role, state }) => `${key} ${role} ${state}`)
      .sort()
      .join();
    if (nodes === this.#nodes) return;
    this.#nodes = nodes;
    this.#epoch = map.version;
  }

  /** 0 = there is none yet. */
  get value(): NodeMap["version"] {
    return this.#epoch;
  }
}
