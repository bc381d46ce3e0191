/** Answers to clients when stored data cannot be read. */

import process from "node:process";
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

  for (const syncReads of [true, false]) {
    it(`makes an error of every request that needs it, with${syncReads ? "" : "out"} synchronous reads`, async () => {
      const unhandled: unknown[] = [];
      const note = (error: unknown): void => void unhandled.push(error);
      process.on("unhandledRejection", note);
      const database = new TestDatabase({ syncReads });
      const cluster = await startCluster({ engine: () => database.asEngine, logLevel: "error" });
      try {
        const [address] = cluster.addresses;
        const client = await TextClient.connect(clientRuntime(), address ?? { path: "" });
        database.status = "closed";
        const requests = ["get a", "gets a b c", "gat 0 a", "mg a v", "mg a t T0", "me a", "ttl a", "touch a 0", "incr a 1"];
        for (const request of [...requests, "ma a t", "md a", "delete a", "ms a 1 C5\r\nx", "add a 0 0 1\r\nx"]) {
          assertMatch(await client.ask(`${request}\r\n`), /^SERVER_ERROR .*Database is not open\r\n$/, request);
        }
        database.status = "open";
        assertEquals(await client.ask("get a\r\n", /END\r\n$/), "END\r\n");
        client.close();
      } finally {
        await cluster.stop();
        process.off("unhandledRejection", note);
      }
      assertEquals(unhandled, []);
    });
  }
});
