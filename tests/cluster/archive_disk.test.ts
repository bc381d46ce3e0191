/**
 * The disk of an archived change log: while it is full, or takes no bytes at all, its node serves as before, also after a kill;
 * when it works again the archive has everything.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ArchiveIndex } from "../../lib/admin/archive/archive_index.ts";
import { archiveProblems } from "../../lib/admin/archive/verify_archive.ts";
import { clientRuntime, NodeDaemon, waitUntil } from "../support/daemon.ts";
import { LoopDisk } from "../support/loop_disk.ts";
import { skipUnless } from "../support/skip.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const DISK_MIB = 32;
const VALUE = "x".repeat(20_000);
const skip = skipUnless(process.platform === "linux" && process.getuid?.() === 0, "root, to mount a small disk,");

async function writeItems(node: NodeDaemon, count: number): Promise<void> {
  const client = await node.connect();
  for (let i = 0; i < count; i++) assertEquals(await client.ask(`set key${i} 0 0 ${VALUE.length}\r\n${VALUE}\r\n`), "STORED");
  client.close();
}

async function figure(node: NodeDaemon, name: string): Promise<string> {
  return (await node.stats(" replication")).get(name) ?? "";
}

describe("the disk of an archive", { skip }, () => {
  it("may be full, or stand still: the node serves, and the archive has everything afterwards", { timeout: 180_000 }, () =>
    withTemporaryDirectory(async (directory) => {
      const disk = await LoopDisk.create(join(directory, "disk"), DISK_MIB);
      const archive = join(disk.directory, "archive");
      mkdirSync(archive);
      const node = await NodeDaemon.start(clientRuntime(), join(directory, "node"), [
        ...["--fsync", "os", "--log-segment-size", "1", "--checkpoint-interval", "1", "--log-retention", "0"],
        ...["--log-archive", archive, "--log-archive-interval", "1"],
      ]);
      try {
        await disk.fill();
        await writeItems(node, 150);
        await waitUntil(async () => (await figure(node, "log_archive_state")) === "failing", "the archive fails");
        assertMatch(node.program.output, /the change log cannot be archived, retrying: .*no space left/);
        await node.end("SIGKILL");
        await node.start();
        await writeItems(node, 50);
        await disk.empty();
        await waitUntil(async () => (await figure(node, "log_archive_state")) === "ok", "the archive works again");

        await disk.freeze();
        try {
          await writeItems(node, 100);
          const lag = async (): Promise<number> => Number(await figure(node, "log_archive_lag_seconds"));
          await waitUntil(async () => (await lag()) >= 3, "the lag grows");
        } finally {
          await disk.thaw();
        }
        await waitUntil(async () => Number(await figure(node, "log_archive_lag_seconds")) < 3, "the lag is gone");
        assertEquals(await figure(node, "log_archive_missing"), "0");
        assertEquals((await node.end("SIGTERM")).status, 0);
        const { files } = clientRuntime();
        const index = await ArchiveIndex.open(files, [archive]);
        assertEquals(await archiveProblems(files, index, () => undefined), []);
        const records = [...index.logs.values()].flatMap(({ parts }) => parts).reduce((sum, part) => sum + part.records, 0);
        assert(records >= 300, `${records} changes`);
      } finally {
        await node.clear();
        await disk.clear();
      }
    }),
  );
});
