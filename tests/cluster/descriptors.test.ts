/**
 * A node with a low limit of open files and far more clients: nothing breaks, and when they are gone everything works as
 * before. Real processes, because the system sets the limit.
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clientRuntime, HOST, NodeDaemon, waitUntil } from "../support/daemon.ts";
import { skipUnless, skipWhere } from "../support/skip.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { isInstalled } from "../support/tools.ts";

const LIMIT = 256;
const CLIENTS = 400;
const isDeno = "Deno" in globalThis;
const isLinux = process.platform === "linux";
const skip = isLinux ? skipUnless(isInstalled("prlimit"), "prlimit") : skipWhere(true, "Linux is needed");

/**
 * Opens connections that say nothing. Some may be turned away, and where the backlog is short, as under Deno, the kernel
 * does not answer those that do not fit: nobody waits for them.
 */
function idle(port: number, count: number): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = connect({ host: HOST, port });
    socket.on("error", () => undefined);
    socket.resume();
    return socket;
  });
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function limit(pid: number, files: number): void {
  const { status, stderr } = spawnSync("prlimit", ["--pid", String(pid), `--nofile=${files}:`], { encoding: "utf8" });
  assertEquals(status, 0, stderr);
}

describe("a node with more clients than descriptors", () => {
  it("keeps a reserve, goes on for those that are there, and takes others when there is room", { skip }, async () => {
    const runtime = clientRuntime();
    await withTemporaryDirectory(async (directory) => {
      // The runtimes raise the soft limit when they start, so the hard one is set before.
      const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]);
      const node = await NodeDaemon.start(runtime, join(directory, "data"), ["--fsync", "always", "--log-segment-size", "1"], {
        descriptors: LIMIT,
      });
      try {
        const limits = readFileSync(`/proc/${node.pid}/limits`, "latin1");
        assertMatch(limits, new RegExp(`^Max open files +${LIMIT} +${LIMIT}`, "m"));
        assert(hard > LIMIT);
        await node.program.waitFor(`max-connection "1024" is lowered to "128": the process may open "${LIMIT}" files`);
        const client = await node.connect();
        assertEquals(await client.ask("set k 0 0 1\r\n0\r\n"), "STORED");
        const sockets = idle(node.port, CLIENTS);
        await node.program.waitFor("no more are accepted");
        const value = "v".repeat(100000);
        for (let round = 0; round < 30; round++) {
          assertEquals(await client.ask(`set k${round} 0 0 ${value.length}\r\n${value}\r\n`), "STORED");
        }
        assertEquals(await client.ask("ping\r\n"), "OK");
        assert(openFiles(node.pid) < LIMIT, `${openFiles(node.pid)} open files`);
        for (const socket of sockets) socket.destroy();
        await node.program.waitFor("connections are accepted again");
        const late = await node.connect();
        assertEquals((await late.gets(["k", "k29"])).size, 2);
        late.close();
        client.close();
        assertEquals((await node.end("SIGTERM")).status, 0);
      } finally {
        await node.clear();
      }
    });
  });

  it("declares nothing broken when the limit falls below what is open", { skip }, async () => {
    const runtime = clientRuntime();
    await withTemporaryDirectory(async (directory) => {
      const node = await NodeDaemon.start(runtime, join(directory, "data"), [
        ...["--fsync", "always", "--log-segment-size", "1", "--checkpoint-interval", "1"],
      ]);
      try {
        const client = await node.connect();
        assertEquals(await client.ask("set before 0 0 1\r\nx\r\n"), "STORED");
        limit(node.pid, 3);
        const value = "v".repeat(100000);
        // Log segments and checkpoints are due meanwhile; what needs a descriptor waits for one.
        const writes = (async () => {
          for (let round = 0; round < 40; round++) {
            const answer = await client.ask(`set k${round} 0 0 ${value.length}\r\n${value}\r\n`);
            if (answer === "STORED") continue;
            // Deno needs a descriptor for each write to a file: it is refused, with the reason, and nothing else breaks.
            assert(isDeno && /^SERVER_ERROR .*too many open files/.test(answer), answer);
            await new Promise((resolve) => setTimeout(resolve, 200));
            round--;
          }
        })();
        await new Promise((resolve) => setTimeout(resolve, 4000));
        limit(node.pid, 1024);
        await writes;
        assertEquals(await client.ask("ping\r\n"), "OK");
        assertEquals(await client.ask("set after 0 0 1\r\nx\r\n"), "STORED");
        assertEquals((await client.gets(["before", "k0", "k39", "after"])).size, 4);
        assert(!node.program.output.includes("refuses writes until a restart"), node.program.output);
        client.close();
        await waitUntil(async () => (await node.stats()).get("curr_items") === "42", "all items");
        await node.end("SIGKILL");
        await node.start();
        const again = await node.connect();
        assertEquals((await again.gets(["before", "k0", "k39", "after"])).size, 4);
        again.close();
      } finally {
        await node.clear();
      }
    });
  });
});
