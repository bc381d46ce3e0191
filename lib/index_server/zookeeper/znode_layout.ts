/**
 * The znodes of a cluster, as the original's index servers and its tool for ZooKeeper lay them out, and three of our own. Pure.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import { create, type Permission, type Request } from "./requests.ts";

/** The paths of a cluster's znodes. */
export interface Layout {
  /** Everything is below it. */
  readonly index: string;
  /** Has the node map. */
  readonly nodemap: string;
  /** One child for each parameter of partitioning that overrides the option. */
  readonly meta: string;
  /** Has the znodes of the lock. */
  readonly lock: string;
  /** One ephemeral child for each running index server. */
  readonly servers: string;
  /** The original's tool makes it; nobody uses it. */
  readonly primary: string;
  /** Our own: the highest term. The original rewrites the map without it. */
  readonly term: string;
  /** Our own: one child for each of the last stores. */
  readonly history: string;
  /** Our own, ephemeral: which of our index servers leads. */
  readonly leader: string;
}

export function layoutOf(cluster: string): Layout {
  const index = `${cluster}/index`;
  return {
    index,
    nodemap: `${index}/nodemap`,
    meta: `${index}/meta`,
    lock: `${index}/lock`,
    servers: `${index}/servers`,
    primary: `${index}/primary`,
    term: `${index}/flare-kv-term`,
    history: `${index}/flare-kv-history`,
    leader: `${index}/flare-kv-leader`,
  };
}

/** All persistent znodes of a cluster, parents first. */
export function pathsOf({ index, nodemap, meta, lock, servers, primary, term, history }: Layout): string[] {
  const parts = index.slice(1).split("/");
  const parents = parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
  return [...parents, lock, meta, primary, servers, term, history, nodemap];
}

/** Makes a znode without content. */
export function createEmpty(path: string, permission: Permission): Request<string> {
  return create(path, EMPTY_BYTES, permission);
}
