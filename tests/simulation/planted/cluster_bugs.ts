/** Planted bugs of the cluster: replication, routing, failover, copies and the node map. */

import type { PlantedBug } from "./bug.ts";

export const clusterBugs: readonly PlantedBug[] = [
  {
    name: "slave-left-out",
    about: "a slave that is still copying gets no copies of new writes",
    search: "reshape",
    file: "lib/replication/replicator.ts",
    find: "      if (this.#wasSentTo(node, request.prefix)) continue;",
    replace: "      if (node.state !== NodeState.active || this.#wasSentTo(node, request.prefix)) continue;",
  },
  {
    name: "missed-copy-ignored",
    about: "a slave that refused a copy stays in the in-sync set",
    search: "missedCopies",
    file: "lib/replication/replicator.ts",
    find: "    const removed = this.#inSync.missed(node.key, sentMs, reason);",
    replace: "    const removed = sentMs < 0 ? this.#inSync.missed(node.key, sentMs, reason) : undefined;",
  },
  {
    name: "copying-slave-reads",
    about: "a slave answers reads before its copy is complete",
    search: "reshape",
    file: "lib/cluster/routing.ts",
    find: "self.state === NodeState.active && self.balance > 0 && !leaving",
    replace: "!leaving",
  },
  {
    name: "promoted-without-data",
    about: "a failover may promote a slave that is still copying",
    search: "copyingFailover",
    file: "lib/cluster/node_map.ts",
    find: "largestBalance(slaves.filter((slave) => slave.state === NodeState.active))",
    replace: "largestBalance(slaves)",
  },
  {
    name: "empty-master-believed",
    about: "a master that comes back with other data, or none, stays master",
    search: "emptyMaster",
    file: "lib/cluster/data_identity.ts",
    find: '  return before.kind === "passing" ? "passing" : "lost";',
    replace: '  return before.kind === "passing" ? "passing" : "same";',
  },
];
