/** The verb index: exports and imports the node map of a running cluster, and of a directory without an index server. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decodeStoredMap, encodeStoredMap } from "../../lib/cluster/stored_map.ts";
import { ClusterAdmin, detectRuntime, startCluster } from "../../mod.ts";
import { runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });

describe("flare index", () => {
  it("exports the stored map, and imports one that is not older, unless that is asked for", () =>
    withTemporaryDirectory(async (directory) => {
      const options = { runtime, nodes: 3, partitions: 1, slaves: 1, dataDir: join(directory, "cluster") };
      const cluster = await startCluster(options);
      const { host, port } = cluster.indexAddress;
      const admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress });
      const flare = (...args: readonly string[]) =>
        runProgram("flare", ["index", ...args], { FLARE_INDEX_SERVER: `${host}:${port}` });
      const [file, old] = [join(directory, "map.xml"), join(directory, "old.xml")];
      try {
        assertEquals(await flare("export", old), { status: 0, stdout: "", stderr: "" });
        const { map, term } = decodeStoredMap(readFileSync(old, "latin1"));
        assertEquals(
          map.nodes.map(({ key, data }) => [key, typeof data]),
          cluster.nodes.map(({ key }) => [key, "object"]).sort(),
        );
        assertEquals([map.version, term], [(await admin.nodeMap()).version, 1]);

        const nodes = map.nodes.map((node) => (node.balance === 1 ? { ...node, balance: 7 } : node));
        writeFileSync(file, encodeStoredMap({ map: { ...map, nodes }, term }), "latin1");
        const next = Number(map.version) + 1;
        const dry = await flare("import", file, "--dry-run");
        assertMatch(dry.stdout, new RegExp(`balance.+\nthe node map gets version ${next}\n$`));
        const asked = await flare("import", file);
        assertEquals(asked.status, 1);
        assertStringIncludes(asked.stderr, "nothing was changed: without a terminal --yes is required");
        assertEquals((await admin.nodeMap()).version, map.version);
        assertEquals(await flare("import", file, "--yes"), { status: 0, stdout: "", stderr: "" });
        assertEquals(
          [(await admin.nodeMap()).version, (await admin.nodeMap()).nodes.some(({ balance }) => balance === 7)],
          [next, true],
        );

        const older = await flare("import", old, "--yes");
        assertEquals(older.status, 1);
        assertStringIncludes(older.stderr, `it has version ${next}, which is newer than version ${map.version}: use --unsafe`);
        const warned = await flare("import", old, "--dry-run");
        assertStringIncludes(warned.stdout, "\nwarning: the map in the file is older: ");
        assertEquals((await flare("import", old, "--yes", "--unsafe")).status, 0);
        assertEquals((await admin.nodeMap()).version, next + 1);
        const changes = JSON.parse((await flare("history", "--count", "1", "-o", "json")).stdout) as { cause: string }[];
        assertMatch(changes[0]?.cause ?? "", /^"index import \d+ … older" from 127\.0\.0\.1:\d+$/);

        const locked = await flare("import", file, "--data-dir", join(directory, "cluster", "index"), "--yes");
        assertEquals(locked.status, 1);
        assertStringIncludes(locked.stderr, "is locked by process ");
      } finally {
        admin.close();
        await cluster.stop();
      }
      const offline = ["--data-dir", join(directory, "cluster", "index")];
      assertEquals((await flare("import", file, ...offline, "--yes", "--unsafe")).status, 0);
      const { stdout } = await flare("export", "-", ...offline);
      assert(decodeStoredMap(stdout).map.nodes.some(({ balance }) => balance === 7));
      const again = await startCluster(options);
      const { host: newHost, port: newPort } = again.indexAddress;
      const history = await runProgram("flare", ["index", "history"], { FLARE_INDEX_SERVER: `${newHost}:${newPort}` });
      assertStringIncludes(history.stdout, `flare index import`);
      assertStringIncludes(history.stdout, `import of "${file}"`);
      await again.stop();
    }));

  it("says what is wrong with its words and files", () =>
    withTemporaryDirectory(async (directory) => {
      const garbage = join(directory, "garbage");
      writeFileSync(garbage, "garbage");
      for (const [args, status, text] of [
        [["future"], 2, '"future" is not "history", "move", or "export" or "import" and a file'],
        [["import"], 2, '"import" is not "history", '],
        [["history", "x"], 2, '"history x" is not "history", '],
        [["--unsafe"], 2, 'option "unsafe" is not for "index"'],
        [["export", "x", "--yes"], 2, 'option "yes" is not for "index export"'],
        [["history", "--increment", "1"], 2, 'option "increment" is not for "index history"'],
        [["import", join(directory, "nothing")], 1, 'nothing" cannot be read: '],
        [["move"], 2, 'option "to" must name a place'],
        [["move", "--to", "memory://"], 2, 'option "to" must name a place'],
        [["move", "--to", "consul://h/c"], 2, "must begin with "],
        [["history", "--to", "file:///x"], 2, 'option "to" is not for "index history"'],
        [["import", garbage], 1, 'garbage" is no node map: '],
      ] as const) {
        const { status: found, stderr } = await runProgram("flare", ["index", ...args]);
        assertEquals([found, stderr.includes(text)], [status, true], stderr);
      }
    }));
});
