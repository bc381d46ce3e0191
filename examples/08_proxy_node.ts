/**
 * A proxy node: it holds no keys but answers for all of them. With a proxy beside each application server, clients need no
 * server list: they talk to the proxy, and the proxy knows the cluster.
 *
 *   node --import tsx examples/08_proxy_node.ts
 *   deno run --allow-all --unsafe-proto examples/08_proxy_node.ts
 *   bun examples/08_proxy_node.ts
 *
 * (`--unsafe-proto` is for the npm package `memcached`; Flare does without.)
 */

import { promisify } from "node:util";
import Memcached from "memcached";
import { startCluster } from "../mod.ts"; // in a project of your own: from "flare-kv"

// Two partitions need two masters; the third node gets no role and stays a proxy.
await using cluster = await startCluster({ partitions: 2, nodes: 3 });
const [firstMaster, secondMaster, proxy] = cluster.nodes;
if (secondMaster === undefined || proxy === undefined) throw new Error("there are three nodes");

const client = new Memcached(proxy.key);
const set = promisify(client.set).bind(client);
const getMulti = promisify(client.getMulti).bind(client);
for (let i = 0; i < 10; i++) await set(`color:${i}`, `#${i}${i}${i}`, 0);

// One request with keys of both partitions: the proxy asks both masters and combines the answers.
const colors = await getMulti(Array.from({ length: 10 }, (_, i) => `color:${i}`));
console.log(Object.keys(colors).length, "colors through the proxy");
console.log("the proxy itself holds", proxy.items);
console.log("the masters together hold", firstMaster.items + secondMaster.items);

client.end();

// Prints:
// 10 colors through the proxy
// the proxy itself holds 0
// the masters together hold 10
