/**
 * How the cluster is laid out as a picture: one column for each partition, its master on top, its slaves below; proxies
 * aside. A node that is down has lost its place in the node map: it stays where the page last saw it, and else stands aside.
 * Pure.
 */

import type { Cluster, Node, Role } from "./cluster.ts";
import type { Seat } from "./link_state.ts";

/** A node in its place. */
export interface Placed {
  readonly node: Node;
  /** What it was before it went down, where it is shown for that reason. */
  readonly was: Role | undefined;
}

export interface Column {
  readonly partition: number;
  readonly master: Placed | undefined;
  /** Slaves, then what is down. */
  readonly others: readonly Placed[];
  /**
   * `broken`: no active master, so its keys cannot be written; `alone`: no second active copy; `weak`: something in it is
   * down or not in sync.
   */
  readonly health: "ok" | "weak" | "alone" | "broken";
}

export interface Picture {
  readonly columns: readonly Column[];
  readonly proxies: readonly Placed[];
  /** Down, and nobody has seen where they were. */
  readonly strays: readonly Placed[];
}

/** @param seats where each node was last seen serving */
export function pictureOf(cluster: Cluster, seats: ReadonlyMap<string, Seat>): Picture {
  const columns = new Map<number, Placed[]>();
  // Partitions are numbered from 0: one without any node is still there, and serves nothing.
  const numbers = [...cluster.nodes, ...seats.values()].map(({ partition }) => partition ?? -1);
  for (let i = 0; i <= Math.max(-1, ...numbers); i++) columns.set(i, []);
  const proxies: Placed[] = [];
  const strays: Placed[] = [];
  for (const node of cluster.nodes) {
    const seat = node.state === "down" ? seats.get(node.key) : undefined;
    const partition = seat?.partition ?? (node.role === "proxy" ? null : node.partition);
    const placed = { node, was: seat?.role };
    if (partition !== null) columns.set(partition, [...(columns.get(partition) ?? []), placed]);
    else (node.state === "down" ? strays : proxies).push(placed);
  }
  const byKey = (left: Placed, right: Placed): number => compareKeys(left.node.key, right.node.key);
  return {
    columns: [...columns].sort(([left], [right]) => left - right).map(([partition, nodes]) => columnOf(partition, nodes)),
    proxies: proxies.sort(byKey),
    strays: strays.sort(byKey),
  };
}

function columnOf(partition: number, nodes: readonly Placed[]): Column {
  const isMaster = ({ node }: Placed): boolean => node.role === "master" && node.state !== "down";
  const master = nodes.find((each) => isMaster(each) && each.node.state === "active") ?? nodes.find(isMaster);
  const rank = ({ node }: Placed): number => (node.state === "down" ? 2 : node.state === "active" ? 0 : 1);
  const others = nodes
    .filter((each) => each !== master)
    .sort((left, right) => rank(left) - rank(right) || compareKeys(left.node.key, right.node.key));
  return { partition, master, others, health: healthOf(master, others) };
}

function healthOf(master: Placed | undefined, others: readonly Placed[]): Column["health"] {
  if (master?.node.state !== "active") return "broken";
  if (!others.some(({ node }) => node.role === "slave" && node.state === "active")) return "alone";
  return others.some(({ node }) => node.state !== "active" || node.inSync === false) ? "weak" : "ok";
}

/** By host, then by port as a number. */
function compareKeys(left: string, right: string): number {
  return left.localeCompare(right, "en", { numeric: true });
}
