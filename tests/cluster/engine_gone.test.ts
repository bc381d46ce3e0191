/** A LevelDB whose files are removed while the node runs: it is not replaced by an empty one. */

import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startCluster } from "../../mod.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = 36;
/** The engine first has to find out; on a machine with other work that takes a while. */
const PATIENCE_MS = 30_000;
/** All of them together are more than LevelDB takes before it begins another file. */
const VALUE = "x".repeat(1_000_000);

describe("an engine whose directory is gone", () => {
  it("is reported, walks say so, and everything is there once it is back", async () => {
    const directory = makeTemporaryDirectory();
    const options = { dataDir: directory, logLevel: "error" } as const;
    const engine = join(directory, "node-0", "engine");
    let cluster = await startCluster(options);
    try {
      const runtime = clientRuntime();
      const connect = (): Promise<TextClient> => TextClient.connect(runtime, cluster.addresses[0] ?? { path: "" });
      let client = await connect();
      assertEquals(await client.ask("set first 0 0 1\r\nx\r\nkeys first 1\r\n", /END\r\n$/), "STORED\r\nKEY first\r\nEND\r\n");
      renameSync(engine, `${engine}.away`);
      const stored: string[] = [];
      for (let i = 0; i < KEYS; i++) {
        const answer = await client.ask(`set k${i} 0 0 ${VALUE.length}\r\n${VALUE}\r\n`);
        if (answer === "STORED\r\n") stored.push(`k${i}`);
      }
      await client.send("scan 100\r\n");
      assertMatch(await client.until((received) => received.endsWith("\r\n"), PATIENCE_MS), /^SERVER_ERROR engine /);
      client.received = "";
      assertEquals(await client.ask("get first\r\n"), "VALUE first 0 1\r\nx\r\nEND\r\n");
      // What LevelDB left when it looked for its files.
      rmSync(engine, { recursive: true, force: true });
      mkdirSync(join(directory, "node-0"), { recursive: true });
      renameSync(`${engine}.away`, engine);
      await waitUntil(
        async () => (await client.ask("keys first 1\r\n", /(?:END|ERROR .*)\r\n$/)) === "KEY first\r\nEND\r\n",
        "a walk",
      );
      client.close();
      await cluster.stop();
      cluster = await startCluster(options);
      client = await connect();
      const listed = await client.ask("scan 100\r\n", /END\r\n$/);
      assertEquals(new Set([...listed.matchAll(/^KEY (\S+)/gm)].map(([, key]) => key)), new Set(["first", ...stored]));
      assert(stored.length > 0);
      client.close();
    } finally {
      await cluster.stop();
      removeTemporaryDirectory(directory);
    }
  });
});
