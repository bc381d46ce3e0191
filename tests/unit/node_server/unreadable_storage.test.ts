/** Answers to clients when stored data cannot be read. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { startCluster } from "../../../mod.ts";
import { clientRuntime } from "../../support/daemon.ts";
import { TestDatabase } from "../../support/test_database.ts";
import { TextClient } from "../../support/text_client.ts";

describe("a storage that cannot be read", () => {
  it("makes an error of keys, with its reason, and the connection goes on", async () => {
    const database = new TestDatabase();
    const cluster = await startCluster({ engine: () => database.asEngine, logLevel: "error" });
    try {
      const [address] = cluster.addresses;
      const client = await TextClient.connect(clientRuntime(), address ?? { path: "" });
      assertEquals(await client.ask("set key 0 0 1\r\na\r\n"), "STORED\r\n");
      assertEquals(await client.ask("keys k 10\r\n", /END\r\n$/), "KEY key\r\nEND\r\n");
      database.status = "closed";
      assertMatch(await client.ask("keys k 10\r\n"), /^SERVER_ERROR .*Database is not open\r\n$/);
      database.status = "open";
      assertEquals(await client.ask("keys k 10\r\n", /END\r\n$/), "KEY key\r\nEND\r\n");
      client.close();
    } finally {
      await cluster.stop();
    }
  });
});
