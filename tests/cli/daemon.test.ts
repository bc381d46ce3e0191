/**
 * The programs as processes: ready, signals, pid files, the background, ports that are taken.
 */

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Server } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { freePorts } from "../support/free_ports.ts";
import { skipWhere } from "../support/skip.ts";
import { runProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const index = (directory: string, ...more: string[]) => [
  "--data-dir",
  directory,
  "--bind",
  "127.0.0.1",
  "--server-port",
  "0",
  ...more,
];

describe("flarei", () => {
  it("says when it is ready, keeps a pid file meanwhile and ends with status 0 on SIGTERM", async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = startProgram("flarei", index(directory));
      await program.waitFor("ready on 127.0.0.1:");
      assertEquals(readFileSync(join(directory, "flarei.pid"), "utf8"), `${program.pid}\n`);
      program.kill("SIGTERM");
      const { status, stderr } = await program.finished;
      assertEquals(status, 0, stderr);
      assertEquals(existsSync(join(directory, "flarei.pid")), false);
    });
  });

  it("takes Ctrl-C passed on twice as one wish to stop", async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = startProgram("flarei", index(directory));
      await program.waitFor("ready on");
      program.kill("SIGINT");
      program.kill("SIGINT");
      assertEquals((await program.finished).status, 0);
    });
  });

  it("reads its config file again on SIGHUP and keeps its settings if the file is wrong", async () => {
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "flarei.conf");
      writeFileSync(config, "monitor-interval = 7\n");
      const program = startProgram("flarei", index(directory, "-f", config));
      await program.waitFor("ready on");
      writeFileSync(config, "monitor-interval = 8\npartition-size = 2048\n");
      program.kill("SIGHUP");
      await program.waitFor("settings reloaded; these need a restart: partition-size");
      writeFileSync(config, "monitor-interval = x\n");
      program.kill("SIGHUP");
      await program.waitFor("settings not reloaded, nothing changed");
      program.kill("SIGTERM");
      assertEquals((await program.finished).status, 0);
    });
  });

  it("changes its log level on SIGHUP", async () => {
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "flarei.conf");
      writeFileSync(config, "log-level = error\n");
      const log = join(directory, "log");
      const program = startProgram("flarei", index(directory, "-f", config, "--log-file", log, "--log-format", "json"));
      await waitUntil(() => existsSync(join(directory, "flarei.pid")));
      writeFileSync(config, "log-level = notice\n");
      program.kill("SIGHUP");
      await waitUntil(() => said(log, "settings reloaded"));
      const [first = ""] = readFileSync(log, "utf8").split("\n");
      const { level, program: name, pid, message } = JSON.parse(first) as Record<string, unknown>;
      assertEquals([level, name, pid, message], ["notice", "flarei", program.pid, "settings reloaded"]);
      program.kill("SIGTERM");
      await program.finished;
    });
  });

  it("tells systemd when it is ready and when it stops, and logs that it cannot", async () => {
    await withTemporaryDirectory(async (directory) => {
      const told = join(directory, "told");
      writeFileSync(join(directory, "systemd-notify"), `#!/bin/sh\nprintf '%s|' "$@" >> ${told}\n`, { mode: 0o755 });
      const environment = { NOTIFY_SOCKET: "/run/systemd/notify", PATH: `${directory}:${process.env.PATH}` };
      const program = startProgram("flarei", index(join(directory, "data")), environment);
      await program.waitFor("ready on");
      await waitUntil(() => said(told, "READY=1|STATUS=ready on 127.0.0.1:"));
      program.kill("SIGTERM");
      assertEquals((await program.finished).status, 0);
      await waitUntil(() => said(told, "|STOPPING=1|"));
      writeFileSync(join(directory, "systemd-notify"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
      const failing = startProgram("flarei", index(join(directory, "data")), environment);
      await failing.waitFor('cannot send "READY=1" to systemd by systemd-notify: status 3');
      failing.kill("SIGTERM");
      await failing.finished;
    });
  });

  it("opens its log file again on SIGHUP, after somebody has renamed it", async () => {
    await withTemporaryDirectory(async (directory) => {
      const log = join(directory, "log");
      const program = startProgram("flarei", index(directory, "--log-file", log));
      await waitUntil(() => said(log, "ready on"));
      renameSync(log, `${log}.1`);
      program.kill("SIGHUP");
      await waitUntil(() => said(log, "settings reloaded"));
      assertEquals(said(`${log}.1`, "settings reloaded"), false);
      program.kill("SIGTERM");
      const { status, stderr } = await program.finished;
      assertEquals([status, said(log, "stopped"), stderr], [0, true, ""]);
    });
  });

  it("ends with status 1 when its log file cannot be opened", async () => {
    await withTemporaryDirectory(async (directory) => {
      const { status, stderr } = await runProgram("flarei", index(directory, "--log-file", join(directory, "no", "log")));
      assertEquals(status, 1);
      assertStringIncludes(stderr, `cannot open the log file "${join(directory, "no", "log")}": ENOENT`);
    });
  });

  it("is found by its name", {
    skip: skipWhere(process.platform !== "linux", "Linux alone shows the name in /proc"),
  }, async () => {
    await withTemporaryDirectory(async (directory) => {
      const { status, stderr } = await runProgram("flarei", index(directory, "--daemonize"));
      assertEquals(status, 0, stderr);
      const pid = Number(readFileSync(join(directory, "flarei.pid"), "utf8"));
      assertEquals(readFileSync(`/proc/${pid}/comm`, "utf8"), "flarei\n");
      process.kill(pid, "SIGTERM");
      await waitUntil(() => !existsSync(join(directory, "flarei.pid")));
    });
  });

  it("starts whatever process a pid file names, another running flare too, but not twice on the same data", async () => {
    await withTemporaryDirectory(async (directory) => {
      const pidFile = join(directory, "flarei.pid");
      const first = startProgram("flarei", index(directory));
      await first.waitFor("ready on");
      const second = await runProgram("flarei", index(directory));
      assertEquals(second.status, 1);
      assertStringIncludes(second.stderr, `is locked by process ${first.pid}`);
      assertEquals(readFileSync(pidFile, "utf8"), `${first.pid}\n`);
      await withTemporaryDirectory(async (other) => {
        // As after a crash and a restart of the machine, which gave the number to somebody else.
        const otherFile = join(other, "flarei.pid");
        writeFileSync(otherFile, `${first.pid}\n`);
        const third = startProgram("flarei", index(other));
        await third.waitFor("ready on");
        assertEquals(readFileSync(otherFile, "utf8"), `${third.pid}\n`);
        third.kill("SIGTERM");
        assertEquals((await third.finished).status, 0);
      });
      first.kill("SIGKILL");
      await first.finished;
      assertEquals(existsSync(pidFile), true);
      const fourth = startProgram("flarei", index(directory));
      await fourth.waitFor("ready on");
      fourth.kill("SIGTERM");
      assertEquals((await fourth.finished).status, 0);
    });
  });

  it("names the options it takes without effect, only if they are given", async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = startProgram("flarei", index(directory, "--stack-size", "64"));
      await program.waitFor("accepted without effect: stack-size");
      await program.waitFor("ready on");
      program.kill("SIGTERM");
      assertEquals((await program.finished).status, 0);
    });
  });

  it("ends with one line and status 1 when its port is taken", async () => {
    const { server: other, port } = await listen();
    await withTemporaryDirectory(async (directory) => {
      const args = ["--data-dir", directory, "--bind", "127.0.0.1", "--server-port", String(port)];
      const { status, stderr } = await runProgram("flarei", args);
      assertEquals(status, 1, stderr);
      const lines = stderr.split("\n").filter((line) => line.startsWith("flarei: "));
      assertEquals(lines.length, 1, stderr);
      assertStringIncludes(lines[0] ?? "", String(port));
      assertEquals(stderr.includes("    at "), false, stderr);
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it("runs in the background with --daemonize and reports failures of the child", async () => {
    await withTemporaryDirectory(async (directory) => {
      const { status, stdout, stderr } = await runProgram("flarei", index(directory, "--daemonize"));
      assertEquals(status, 0, stderr);
      const pid = Number(readFileSync(join(directory, "flarei.pid"), "utf8"));
      assertStringIncludes(stdout, `flarei: ready in the background, pid ${pid}`);
      const log = join(directory, "flarei.log");
      assertStringIncludes(readFileSync(log, "utf8"), "ready on");
      renameSync(log, `${log}.1`);
      process.kill(pid, "SIGHUP");
      await waitUntil(() => existsSync(log) && readFileSync(log, "utf8").includes("settings reloaded"));
      const failing = await runProgram(
        "flarei",
        index(directory, "--daemonize", "--bind", "256.0.0.1", "--pid", join(directory, "b.pid")),
      );
      process.kill(pid, "SIGTERM");
      assertEquals(failing.status, 1);
      assertStringIncludes(failing.stderr, "could not start in the background");
      await waitUntil(() => !existsSync(join(directory, "flarei.pid")));
    });
  });
});

describe("flared", () => {
  it("joins an index server, says when it is ready and ends with status 0 on SIGTERM", async () => {
    await withTemporaryDirectory(async (directory) => {
      const indexPort = await freePorts(1);
      const flarei = startProgram("flarei", [
        ...["--data-dir", join(directory, "index"), "--bind", "127.0.0.1"],
        ...["--server-name", "127.0.0.1", "--server-port", String(indexPort)],
      ]);
      await flarei.waitFor("ready on");
      const nodeDirectory = join(directory, "node");
      const flared = startProgram("flared", [
        ...["--data-dir", nodeDirectory, "--bind", "127.0.0.1", "--server-name", "127.0.0.1", "--server-port", "0"],
        ...["--index-servers", `127.0.0.1:${indexPort}`],
      ]);
      await flared.waitFor("ready on 127.0.0.1:");
      assertEquals(readFileSync(join(nodeDirectory, "flared.pid"), "utf8"), `${flared.pid}\n`);
      flared.kill("SIGTERM");
      const { status, stderr } = await flared.finished;
      assertEquals(status, 0, stderr);
      assertEquals(existsSync(join(nodeDirectory, "flared.pid")), false);
      flarei.kill("SIGTERM");
      assertEquals((await flarei.finished).status, 0);
    });
  });

  it("ends quietly with status 0 on SIGTERM while it tries to join", async () => {
    await withTemporaryDirectory(async (directory) => {
      const nowhere = await freePorts(1);
      const args = ["--bind", "127.0.0.1", "--server-name", "127.0.0.1", "--server-port", "0", "--data-dir", directory];
      const program = startProgram("flared", [...args, "--index-servers", `127.0.0.1:${nowhere}`]);
      await program.waitFor("cannot join yet");
      program.kill("SIGTERM");
      const { status, stderr } = await program.finished;
      assertEquals([status, /\n\s+at /.test(stderr)], [0, false], stderr);
      assertStringIncludes(stderr, "stopped before it was ready");
    });
  });
});

describe("flare up", () => {
  it("runs a cluster that answers, says ready, and stops on SIGTERM", async () => {
    await withTemporaryDirectory(async (directory) => {
      const ports = ["--port", "0", "--index-port", "0", "--http-port", "0"];
      const program = startProgram("flare", ["up", "--data-dir", directory, "--partitions", "2", "--slaves", "0", ...ports]);
      await program.waitFor("ready");
      program.kill("SIGTERM");
      const { status, stdout, stderr } = await program.finished;
      assertEquals(status, 0, stderr);
      assertEquals([...stdout.matchAll(/node server on 127\.0\.0\.1:\d+/g)].length, 2, stdout);
      assert(stdout.endsWith("stopped\n"), stdout);
    });
  });
});

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return { server, port: address.port };
}

function said(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, "utf8").includes(text);
}

async function waitUntil(condition: () => boolean): Promise<void> {
  for (let round = 0; !condition(); round++) {
    assert(round < 2400, "timed out");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
