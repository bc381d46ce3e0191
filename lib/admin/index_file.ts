/**
 * `index`: the text of a `flare.xml` rebuilt from a server's answers, for an index server that has lost its own. Any node
 * works, too: it has a copy of the map. Pure.
 */

import { fromBigInt } from "../base/uint64.ts";
import { encodeFlareXml } from "../cluster/flare_xml.ts";
import { createNodeMap, type NodeMap } from "../cluster/node_map.ts";

/** The text for a map whose version is increased by `increment`, so that no node considers it old. */
export function rebuildIndexFile(map: NodeMap, increment: number): string {
  const version = fromBigInt(BigInt(map.version) + BigInt(increment));
  return encodeFlareXml(createNodeMap(version, map.nodes, map.nextThreadType));
}
