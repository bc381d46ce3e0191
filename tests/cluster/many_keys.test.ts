/** A get of many keys of all partitions, through every node of a cluster. */

import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ClientCluster } from "../support/client_cluster.ts";
import { clientRuntime } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";

const KEYS = Array.from({ length: 100 }, (_, number) => `key-${number}`);

describe("a get of many keys", () => {
  let cluster: ClientCluster;

  before(async () => {
    cluster = await ClientCluster.start();
  });

  after(async () => {
    await cluster.stop();
  });

  it("brings each its own value, through every node", async () => {
    const runtime = clientRuntime();
    for (const address of cluster.addresses) {
      const client = await LineClient.connect(runtime, address);
      for (const key of KEYS) {
        assertEquals(await client.ask(`set ${key} 1 0 ${key.length}\r\n${key}\r\n`), "STORED");
      }
      const found = await client.gets(KEYS);
      assertEquals(
        [...found].map(([key, { value }]) => `${key}=${value}`),
        KEYS.map((key) => `${key}=${key}`),
      );
      client.close();
    }
  });
});
