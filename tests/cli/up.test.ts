/** `flare up`: its first screen, and that a start with the data directory alone restores the cluster. */

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { skipWhere } from "../support/skip.ts";
import { commandFor, runProgram, SpawnedProgram, startProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

/** What `flare up` says until it is ready, and after it was stopped. */
async function up(args: readonly string[]): Promise<string> {
  const program = startProgram("flare", ["up", ...args]);
  try {
    await program.waitFor("\nready");
    return program.output;
  } finally {
    program.kill("SIGTERM");
    await program.finished;
  }
}

/** The lines that say where the servers are. */
function servers(output: string): string[] {
  return output.match(/^(index|node) server on .*$/gm) ?? [];
}

describe("flare up", () => {
  it("says what runs, where the data are, what to try and how to stop, in plain text where nobody sees colours", async () => {
    await withTemporaryDirectory(async (directory) => {
      const output = await up([
        "--data-dir",
        directory,
        "--port",
        "0",
        "--index-port",
        "0",
        "--http-port",
        "0",
        "--fsync",
        "os",
      ]);
      assertMatch(output, /^Flare \d+\.\d+\.\d+ on (Node|Deno|Bun) \d\S*: 1 node, 1 partition with 0 slaves$/m);
      assertStringIncludes(output, `data in ${directory} (level, fsync os)`);
      const [index, node] = servers(output).map((line) => line.split(" ").at(-1) ?? "");
      assertStringIncludes(output, `| nc ${node?.replace(":", " ")}\n`);
      assertStringIncludes(output, `list --index-server ${index}\n`);
      assertMatch(
        output,
        new RegExp(`^to stop: Ctrl-C; to start the same cluster again: .*flare\\S* up --data-dir ${directory}$`, "m"),
      );
      assert(!output.includes("\x1b"), output);
    });
  });

  it("has the health and the metrics of every server, unless that is not wanted", async () => {
    await withTemporaryDirectory(async (directory) => {
      const port = await freePorts(2);
      const ports = ["--port", "0", "--index-port", "0", "--http-port", String(port)];
      const program = startProgram("flare", ["up", "--data-dir", directory, "--storage", "memory", ...ports]);
      try {
        await program.waitFor("\nready");
        assertStringIncludes(program.output, `the node's at port ${port + 1}\n`);
        for (const [at, ready] of ["it leads with term 1, 1 nodes in use", "active master of partition 0"].entries()) {
          const response = await fetch(`http://127.0.0.1:${port + at}/readyz`);
          assertEquals([response.status, await response.text()], [200, `ok: ${ready}\n`]);
          const metrics = await fetch(`http://localhost:${port + at}/metrics`);
          assertMatch(await metrics.text(), /^flare_ready 1$/m);
        }
        // The token is printed, in a file for its owner alone, and good for changes.
        const path = join(directory, "http-token");
        const token = readFileSync(path, "latin1").trim();
        assertMatch(token, /^[\w-]{32}$/);
        assertEquals(statSync(path).mode & 0o777, 0o600);
        assertStringIncludes(program.output, `token for changes over HTTP: ${token} (in ${path})\n`);
        for (const [given, status] of [
          ["x".repeat(32), 403],
          [token, 200],
        ] as const) {
          const [, node] = /node server on (\S+)/.exec(program.output) ?? [];
          const response = await fetch(`http://127.0.0.1:${port}/api/change`, {
            method: "POST",
            headers: { "flare-token": given, "content-type": "application/json" },
            body: JSON.stringify({ verb: "down", nodes: [node], dryRun: true }),
          });
          assertEquals([response.status, (await response.text()).includes("only copy")], [status, status === 200]);
        }
      } finally {
        program.kill("SIGTERM");
        await program.finished;
      }
    });
  });

  it("comes back as it was with its data directory alone, and settings given again count", async () => {
    await withTemporaryDirectory(async (directory) => {
      const port = await freePorts(6);
      const ports = ["--port", String(port), "--index-port", String(port + 2), "--http-port", String(port + 3)];
      const only = ["--data-dir", directory];
      const first = await up([...only, "--slaves", "1", ...ports, "--fsync", "os", "--log-level", "warning"]);
      assertEquals(servers(first).length, 3);
      const again = await up(only);
      assertEquals(servers(again), servers(first));
      assertStringIncludes(again, `the cluster in a browser: http://127.0.0.1:${port + 3}/\n`);
      assertStringIncludes(again, `HTTP on http://127.0.0.1:${port + 3}/metrics, /readyz and /livez for the index server, `);
      assertStringIncludes(again, `the nodes' at ports ${port + 4} to ${port + 5}\n`);
      assertStringIncludes(again, "(level, fsync os)");
      const printed = await runProgram("flare", ["up", ...only, "--fsync", "always", "--print-config"]);
      for (const line of [
        `slaves = 1 # remembered in "${directory}"`,
        `nodes = 2 # remembered in "${directory}"`,
        "fsync = always # flag",
        "log-level = notice # default",
      ]) {
        assertStringIncludes(printed.stdout, `${line}\n`);
      }
      assertStringIncludes(printed.stdout, `port = ${port} # remembered in "${join(directory, "flare.conf")}" line 2\n`);
      // What is printed is a config file that starts the same.
      const config = join(directory, "printed.conf");
      writeFileSync(config, printed.stdout);
      const third = await up(["--config", config]);
      assertEquals(servers(third), servers(first));
      assertStringIncludes(third, "(level, fsync always)");
    });
  });

  it("goes on where a start was that was killed", async () => {
    for (const word of ["shape", "nodes", "index/flare.xml", "node-1/FORMAT", "node-3/FORMAT"]) {
      await withTemporaryDirectory(async (directory) => {
        const args = ["--data-dir", directory, "--port", "0", "--index-port", "0", "--http-port", "0"];
        const program = startProgram("flare", ["up", ...args, "--partitions", "2", "--slaves", "1"]);
        await waitUntil(() => existsSync(join(directory, word)), word);
        program.kill("SIGKILL");
        await program.finished;
        assertStringIncludes(await up(args), ": 4 nodes, 2 partitions with 1 slave each\n", word);
      });
    }
  });

  it("reads a config file, and refuses what it or the memory of the directory says wrongly, by its line", async () => {
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "up.conf");
      writeFileSync(config, `data-dir = ${directory}\nslave = 1\n`);
      const unknown = await runProgram("flare", ["up", "-f", config]);
      assertEquals(unknown.status, 2);
      assertStringIncludes(unknown.stderr, `unknown option "slave" with value "1" (config file "${config}" line 2)`);
      assertStringIncludes(unknown.stderr, 'did you mean "slaves"?');
      writeFileSync(join(directory, "flare.conf"), "port = many\n");
      const wrong = await runProgram("flare", ["up", "--data-dir", directory]);
      assertEquals(wrong.status, 2);
      assertStringIncludes(
        wrong.stderr,
        `option "port" (remembered in "${join(directory, "flare.conf")}" line 1): "many" is not`,
      );
    });
  });

  it("names its servers as configured, and names its own variables in its help", async () => {
    await withTemporaryDirectory(async (directory) => {
      const ports = ["--port", "0", "--index-port", "0", "--http-port", "0"];
      const output = await up(["--data-dir", directory, "--bind", "0.0.0.0", "--server-name", "localhost", ...ports]);
      for (const line of servers(output)) assertStringIncludes(line, " on localhost:");
      assertStringIncludes(output, "ANYBODY WHO CAN REACH 0.0.0.0:");
      assertStringIncludes(readFileSync(join(directory, "nodes"), "utf8"), "localhost:");
    });
    const { stdout } = await runProgram("flare", ["up", "--help"]);
    assertStringIncludes(stdout, "FLARE_PORT=12121 and so on");
    // All that a SIGHUP applies beside the content of files.
    assertEquals(
      stdout
        .replaceAll(/\s+/g, " ")
        .match(/--[a-z-]+ <[^>]+> (?:(?! --[a-z]).)*reloadable\)/g)
        ?.map((text) => text.split(" ")[0]),
      ["--log-level"],
    );
  });

  const hasScript = existsSync("/usr/bin/script") && !("Deno" in globalThis) && !("Bun" in globalThis);
  it("is coloured on a terminal, unless NO_COLOR says no", {
    skip: skipWhere(!hasScript, "it needs the program script, and what it shows is the same under Node"),
  }, async () => {
    await withTemporaryDirectory(async (directory) => {
      const shown = async (noColor: string): Promise<string> => {
        const ports = "--port 0 --index-port 0 --http-port 0";
        const flare = `${commandFor("cli/flare.ts").join(" ")} up --data-dir ${directory} ${ports}`;
        const command = `NO_COLOR=${noColor} exec ${flare}`;
        const program = new SpawnedProgram("script", ["-qec", command, "/dev/null"], { TERM: "xterm" });
        await program.waitFor("ready: connect");
        // Ctrl-C, as the terminal's user types it.
        program.feed("\x03");
        const { status, stdout } = await program.finished;
        assertEquals(status, 0, stdout);
        return stdout;
      };
      assertStringIncludes(await shown(""), "\x1b[32mready: connect");
      assert(!(await shown("1")).includes("\x1b["));
    });
  });
});
