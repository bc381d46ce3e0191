/**
 * The programs' arguments: help, version, settings, and how wrong ones are refused.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../lib/base/version.ts";
import { indexOptionTable } from "../../lib/index_server/index_options.ts";
import { nodeOptionTable } from "../../lib/node_server/node_options.ts";
import { runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

describe("help and version", () => {
  it("prints the version with status 0", async () => {
    for (const name of ["flare", "flared", "flarei"] as const) {
      for (const flag of ["-v", "--version"]) {
        assertEquals(await runProgram(name, [flag]), { status: 0, stdout: `flare ${VERSION}\n`, stderr: "" });
      }
    }
  });

  it("prints every option with status 0", async () => {
    for (const [name, table] of [["flared", nodeOptionTable] as const, ["flarei", indexOptionTable] as const]) {
      const { status, stdout } = await runProgram(name, ["-h"]);
      assertEquals(status, 0);
      for (const option of Object.values(table))
        assertMatch(stdout, new RegExp(`--${option.name}[ =]`), `${name} ${option.name}`);
    }
  });

  it("prints what flare can do", async () => {
    assertStringIncludes((await runProgram("flare", ["--help"])).stdout, "up ");
    const { status, stdout } = await runProgram("flare", ["up", "--help"]);
    assertEquals(status, 0);
    for (const option of ["--nodes", "--partitions", "--slaves", "--port", "--index-port", "--data-dir", "--storage"]) {
      assertStringIncludes(stdout, option);
    }
  });

  it("answers flare without a command with its help and status 2", async () => {
    const { status, stderr } = await runProgram("flare", []);
    assertEquals(status, 2);
    assertStringIncludes(stderr, "Usage: flare");
  });
});

describe("settings", () => {
  it("are printed with their origin, flag over environment over file over default", async () => {
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "flared.conf");
      writeFileSync(config, "data-dir = /from/file\nserver-port = 1\nback-log = 3 # more\n");
      const { status, stdout, stderr } = await runProgram("flared", ["-f", config, "--server-port=2", "--print-config"], {
        FLARE_SERVER_PORT: "4",
        FLARE_BACK_LOG: "5",
      });
      assertEquals([status, stderr], [0, ""]);
      const lines = stdout.split("\n");
      for (const line of [
        "server-port = 2 # flag",
        "back-log = 5 # environment FLARE_BACK_LOG",
        `data-dir = /from/file # config file "${config}" line 1`,
        "fsync = interval # default",
      ]) {
        assertEquals(lines.filter((each) => each === line).length, 1, `${line} in\n${stdout}`);
      }
    });
  });

  it("are the same again when read from what was printed", async () => {
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "printed.conf");
      const args = ["--data-dir", directory, "--storage-large", "--cluster-replication", "on", "--max-conn", "77"];
      const first = await runProgram("flared", [...args, "--print-config"]);
      assertEquals(first.status, 0, first.stderr);
      writeFileSync(config, first.stdout);
      const second = await runProgram("flared", ["-f", config, "--print-config"]);
      const values = (text: string) => text.split("\n").map((line) => line.replace(/ #.*/, ""));
      assertEquals(values(second.stdout), values(first.stdout));
      assertEquals(
        values(first.stdout).filter((line) => line === "max-connection = 77" || line === "storage-large = true").length,
        2,
      );
    });
  });
});

describe("wrong arguments", () => {
  const cases: readonly (readonly [args: readonly string[], message: string])[] = [
    [["--server-port", "abc"], 'flared: option "server-port" (flag): "abc" is not an integer from 0 to 65535'],
    [["--fsync", "never"], 'flared: option "fsync" (flag): "never" is not one of "always", "interval", "os"'],
    [["--no-such-option", "1"], "unknown option '--no-such-option'"],
    [["--storage-c", "1"], "unknown option '--storage-c'"],
    [["--server-port"], "argument missing"],
    [["surplus"], "too many arguments"],
    [["--index-servers", "i:1"], 'flared: option "data-dir" is missing'],
    [["--data-dir", "/tmp"], "flared: the index server is missing"],
    [["-f", "/no/such/file"], 'flared: option "config": "/no/such/file" cannot be read'],
  ];

  it("are refused with one clear text and status 2", async () => {
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = await runProgram("flared", args);
      assertEquals([status, stdout], [2, ""], args.join(" "));
      assertStringIncludes(stderr, message);
    }
  });

  it("of the environment and of files are refused, too", async () => {
    const environment = await runProgram("flarei", ["--data-dir", "/tmp"], { FLARE_MONITOR_INTERVAL: "soon" });
    assertEquals(environment.status, 2);
    assertStringIncludes(environment.stderr, 'option "monitor-interval" (environment FLARE_MONITOR_INTERVAL): "soon" is not');
    await withTemporaryDirectory(async (directory) => {
      const config = join(directory, "flarei.conf");
      writeFileSync(config, "monitor-interval = 3\nmonitor-intervall = 5\n");
      const file = await runProgram("flarei", ["--config", config, "--data-dir", directory]);
      assertEquals(file.status, 2);
      assertStringIncludes(file.stderr, `unknown option "monitor-intervall" with value "5" (config file "${config}" line 2)`);
    });
  });

  it("of flare up are refused", async () => {
    const few = await runProgram("flare", ["up", "--nodes", "3", "--partitions", "2", "--slaves", "1"]);
    assertEquals(few.status, 2);
    assertStringIncludes(
      few.stderr,
      'option "nodes": "3" is not enough for 2 partitions with 1 slaves each; at least 4 are needed',
    );
    const port = await runProgram("flare", ["up", "--port", "65535", "--nodes", "2"]);
    assertEquals(port.status, 2);
    assertStringIncludes(port.stderr, 'option "port": "65535" leaves no room for 2 nodes');
    const http = await runProgram("flare", ["up", "--http-port", "65534", "--nodes", "2"]);
    assertEquals(http.status, 2);
    assertStringIncludes(http.stderr, 'option "http-port": "65534" leaves no room for 3 servers up to 65535');
  });
});
