/** The operator's verbs as programs: what they print, where, and with which status they end. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Cluster, detectRuntime, startCluster } from "../../mod.ts";
import { type Finished, runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

let cluster: Cluster;
let index: string;
let nodes: string[];

before(async () => {
  const runtime = detectRuntime({ programName: "test", logLevel: "error" });
  cluster = await startCluster({ runtime, nodes: 3, partitions: 1, slaves: 1, monitorIntervalMs: 100 });
  index = `${cluster.indexAddress.host}:${cluster.indexAddress.port}`;
  nodes = cluster.nodes.map((node) => node.key);
});

after(() => cluster.stop());

function flare(...args: readonly string[]): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: index });
}

/** A table row as its words. */
function words(line: string | undefined): string[] {
  return (line ?? "").trim().split(/ +/);
}

describe("flare", () => {
  it("names its verbs", async () => {
    const { status, stdout } = await flare("--help");
    assertEquals(status, 0);
    const verbs =
      "up list check stats top watch summary ping threads call bench index verify master slave part balance down activate";
    for (const verb of `${verbs} reconstruct remove dump dumpkey restore get set scan delete`.split(" ")) {
      assertMatch(stdout, new RegExp(`^  ${verb}\\b`, "m"), verb);
    }
    const help = await flare("slave", "--help");
    assertEquals(help.status, 0);
    for (const option of [
      "-i, --index-server",
      "-p, --index-server-port",
      "--timeout",
      "-n, --dry-run",
      "--force",
      "--without-clean",
    ]) {
      assertStringIncludes(help.stdout, option);
    }
  });

  it("sends a command to every node, and says which of them have not answered it", async () => {
    const { status, stdout, stderr } = await flare("call", "version");
    assertEquals([status, stderr], [0, ""]);
    const answered = stdout.trimEnd().split("\n");
    assertEquals(
      answered.map((line) => words(line).slice(0, 2).join(" ")).sort(),
      nodes.map((node) => `${node} VERSION`).sort(),
    );
    const settings = await flare("call", "stats", "settings", "--node", nodes[1] as string);
    assertMatch(settings.stdout, new RegExp(`^${nodes[1]} STAT maxbytes \\d+$`, "m"));
    const far = await flare("call", "-o", "json", "--node", `${nodes[0]},127.0.0.1:1`, "stats reset");
    assertEquals(far.status, 1);
    const answers = JSON.parse(far.stdout) as { server: string; lines: string[]; problem?: string }[];
    assertEquals(
      answers.map(({ server, lines }) => [server, ...lines]),
      [[nodes[0], "RESET"], ["127.0.0.1:1"]],
    );
    assertMatch(answers[1]?.problem ?? "", /cannot connect/);
    assertMatch((await flare("call", "--index", "meta")).stdout, /META partition-size/);
    assertEquals((await flare("call", "stats", "none of these", "--index")).status, 1);
    assertEquals((await flare("call", "flush_all")).status, 2);
  });

  it("lists the nodes as a table and as JSON", async () => {
    const { status, stdout, stderr } = await flare("list");
    assertEquals([status, stderr], [0, ""]);
    const lines = stdout.split("\n");
    assertEquals(lines[0], "node                             partition   role  state balance");
    assertEquals(lines.length, 5);
    const json = await runProgram("flare", ["list", "-i", "127.0.0.1", "-p", index.split(":")[1] as string, "-o", "json"]);
    const records = JSON.parse(json.stdout) as { node: string; partition: number | null; role: string }[];
    assertEquals(records.map(({ node }) => node).sort(), [...nodes].sort());
    assertEquals(
      records.find(({ node }) => node === nodes[2]),
      {
        node: nodes[2],
        partition: null,
        role: "proxy",
        state: "active",
        balance: 0,
      } as unknown as { node: string; partition: null; role: string },
    );
    assertEquals((await flare("list", "--numeric-hosts")).stdout, stdout);
  });

  it("shows figures", async () => {
    const stats = (await flare("stats", "-q", "-w", "0.1", nodes[0] as string)).stdout.split("\n");
    assertEquals(words(stats[0]).slice(-4), ["version", "qps", "qps-r", "qps-w"]);
    assertEquals([words(stats[1])[0], stats.length], [nodes[0], 3]);
    assertEquals((await flare("stats", "-c", "2", "-w", "0", "-d", ",")).stdout.split("\n").length, 9);
    for (const verb of ["list", "stats"]) {
      const rows = (await flare(verb, "--replication")).stdout.split("\n");
      assertEquals(words(rows[0]).slice(4, 8), ["in-sync", "epoch", "sequence", "lag"]);
      const slave = words(rows.find((row) => row.includes(" slave ")));
      assertEquals([slave[0], slave[4], slave[7], rows.length], [nodes[1], "yes", "0", 5]);
      const { stdout } = await flare(verb, "--replication", "-o", "json");
      const records = JSON.parse(stdout) as { role: string; guarantees: string; inSync: boolean | null }[];
      assertEquals(records.map(({ role, guarantees, inSync }) => [role, guarantees, inSync]).sort(), [
        ["master", "sync", null],
        ["proxy", "sync", null],
        ["slave", "sync", true],
      ]);
    }
    assertStringIncludes((await flare("stats", "--replication", "--qps")).stderr, "two tables");
    const summary = (await flare("summary")).stdout.split("\n");
    assertEquals(words(summary[1]).slice(0, 5), [index, "1", "3", "1", "1"]);
    assertStringIncludes((await flare("threads", nodes[0] as string)).stdout, "   id peer ");
    assertStringIncludes((await flare("index", "--increment", "1000")).stdout, "<version>10");
    const records = JSON.parse((await flare("index", "history", "-o", "json")).stdout) as { map: string; changes: string[] }[];
    assertEquals([records[0]?.map, records.at(-1)?.map], ["0", /<version>(\d+)/.exec((await flare("index")).stdout)?.[1]]);
    assert(records.some(({ changes }) => changes.some((text) => text.startsWith(`role "${nodes[0]}": proxy`))));
    const last = (await flare("index", "history", "--count", "1")).stdout.split("\n");
    assertEquals([words(last[0]).slice(0, 3), last.length >= 3], [["time", "map", "term"], true]);
  });

  it("pings", async () => {
    assertEquals(await flare("ping", ...nodes), { status: 0, stdout: "alive\n", stderr: "" });
    assertEquals((await flare("ping", "--wait")).stdout, "alive\n");
    const dead = await flare("ping", nodes[0] as string, "127.0.0.1:1");
    assertEquals([dead.status, dead.stdout], [1, ""]);
    assertStringIncludes(dead.stderr, 'flare: "127.0.0.1:1" is not alive');
  });

  it("sets, gets and deletes", async () => {
    assertEquals(await flare("set", "grüße", "wörld", "--flags", "7"), { status: 0, stdout: "STORED\n", stderr: "" });
    assertEquals((await flare("get", "grüße", "--node", nodes[2] as string)).stdout, "wörld\n");
    assertEquals(JSON.parse((await flare("get", "grüße", "-o", "json")).stdout), [
      { key: "grüße", flags: 7, version: 1, value: "wörld" },
    ]);
    const missing = await flare("get", "nothing");
    assertEquals(missing, { status: 1, stdout: "", stderr: 'flare: key "nothing" not found\n' });
    const stored = await runProgram("flare", ["set", "bytes", "-", "-i", index], {}, Uint8Array.from([0, 255, 10]));
    assertEquals(stored.stdout, "STORED\n");
    assertStringIncludes((await flare("get", "bytes", "-o", "json")).stdout, '"valueBase64": "AP8K"');
    assertEquals(await flare("delete", "grüße", "nothing"), {
      status: 1,
      stdout: "DELETED\n",
      stderr: 'flare: key "nothing" not found\n',
    });
    assertEquals((await flare("delete", "bytes")).status, 0);
  });

  it("says of each key what happened, also where one fails", async () => {
    const tooLong = "k".repeat(40_000);
    const says = (stderr: string): boolean => stderr.startsWith(`flare: key "${tooLong}": `);
    await flare("set", "second", "2");
    await flare("set", "first", "1");
    const got = await flare("get", "first", tooLong, "second");
    assertEquals([got.status, got.stdout], [1, "1\n2\n"]);
    assert(says(got.stderr), got.stderr.slice(-200));
    const deleted = await flare("delete", "first", tooLong, "-o", "json");
    assertEquals(deleted.status, 1);
    const records = JSON.parse(deleted.stdout) as { key: string; deleted?: boolean; error?: string }[];
    assertEquals([records.map((each) => each.deleted), "error" in (records[1] ?? {})], [[true, undefined], true]);
    assert(says(deleted.stderr), deleted.stderr.slice(-200));
    const lines = (await flare("delete", tooLong, tooLong)).stderr.trimEnd().split("\n");
    assert(lines.length === 1 && !says(lines[0] ?? ""), lines[0]?.slice(-200));
    assertEquals((await flare("delete", "second")).status, 0);
  });

  it("dumps and restores", async () => {
    await withTemporaryDirectory(async (directory) => {
      await flare("set", "a", "it's");
      await flare("set", "b", "1,2");
      const file = join(directory, "dump");
      const dumped = await flare("dump", "-o", file);
      assertEquals([dumped.status, dumped.stdout], [0, ""]);
      assertMatch(dumped.stderr, /^2 items, \d+ items\/s\n$/);
      assertEquals(
        readFileSync(file, "utf8"),
        "a 0 4 1 0 'it\\'s'\nb 0 3 1 0 '1,2'\n# end of dump items=2 bytes=34 crc32=74a7b039\n",
      );
      assertEquals(
        (await flare("dump", "--all", "-f", "csv")).stdout,
        'a,0,4,1,0,it\'s\nb,0,3,1,0,"1,2"\n# end of dump items=2 bytes=31 crc32=36405be9\n',
      );
      assertEquals((await flare("dumpkey", "-p", "0", "-s", "1")).stdout, "a\nb\n");
      await flare("delete", "a", "b");
      const restored = await flare("restore", nodes[2] as string, "-i", file, "--include", "^a", "--print-keys");
      assertEquals([restored.status, restored.stdout], [0, "a\n"]);
      assertStringIncludes(restored.stderr, "1 stored, 1 excluded");
      const piped = await runProgram(
        "flare",
        ["restore", "--index-server", index, "-f", "csv", "-o", "json", "--accept-incomplete"],
        {},
        'c,0,1,1,0,x\n"d d",0,1,1,0,x\n',
      );
      assertEquals(
        [piped.status, JSON.parse(piped.stdout)],
        [1, { stored: 1, deleted: 0, kept: 0, excluded: 0, expired: 0, refused: 1 }],
      );
      assertEquals((await flare("get", "a", "c")).stdout, "it's\nx\n");
    });
  });

  it("verifies", async () => {
    const { status, stdout } = await flare("verify", "--use-test-data", "--keys", "10");
    assertEquals([status, stdout], [0, "10 keys of 1 partitions on 3 nodes: 0 problems, 0 stray keys\n"]);
    const compared = await flare("verify", "--keys", "10", "--repair");
    const pair = `slave "${nodes[1]}" and its master "${nodes[0]}"`;
    assertMatch(
      compared.stdout,
      new RegExp(`^${pair}: \\d+ items compared, 0 keys differ\n\\d+ keys of 1 partitions on 3 nodes: `),
    );
    assertEquals([compared.status, compared.stderr], [0, ""]);
    const json = JSON.parse((await flare("verify", "--keys", "10", "-o", "json")).stdout);
    assertEquals([json.differences, json.findings, json.replicas[0].outcome], [[], [], "complete"]);
  });

  it("shows what it would change, asks, and changes", async () => {
    const proxy = nodes[2] as string;
    const target = `${proxy}:2:0`;
    const dry = await flare("slave", target, "--dry-run");
    assertEquals([dry.status, dry.stderr], [0, ""]);
    assertEquals(dry.stdout.trimEnd().split("\n").slice(-1), [`${proxy} proxy active -> slave active, partition 0, balance 2`]);
    const asked = await flare("slave", target);
    assertEquals([asked.status, asked.stdout], [1, ""]);
    assertStringIncludes(asked.stderr, "flare: nothing was changed: without a terminal --force is required");
    assertEquals(words((await flare("list")).stdout.split("\n").find((line) => line.startsWith(proxy)))[2], "proxy");

    const done = await flare("slave", target, "--clean", "--retry", "1", "--force");
    assertEquals(done.status, 0, done.stderr);
    assertStringIncludes(done.stderr, "state is active -> stop waiting\n");
    assertEquals(words(done.stdout.split("\n")[1]), [proxy, "0", "slave", "active", "2"]);
    const rebuilt = await flare("reconstruct", proxy, "--safe", "--force", "-o", "json");
    assertEquals(JSON.parse(rebuilt.stdout), [{ node: proxy, partition: 0, role: "slave", state: "active", balance: 2 }]);
    const plan = JSON.parse((await flare("balance", `${proxy}:5`, "-n", "-o", "json")).stdout);
    assertEquals([plan.steps.length, plan.nodes[0].before.balance, plan.nodes[0].after.balance], [1, 2, 5]);
  });

  it("tells wrong usage (2) from failure (1)", async () => {
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [["slave"], 2, "missing required argument"],
      [["slave", "nonsense"], 2, '"nonsense" must have the form "host:port:balance:partition"'],
      [["list", "surplus"], 2, "too many arguments"],
      [["list", "-o", "xml"], 2, "Allowed choices are table, json"],
      [["list", "-p", "70000"], 2, '"70000" is not an integer from 1 to 65535'],
      [["list", "--timeout", "soon"], 2, '"soon" is not a number of seconds'],
      [["no-such-verb"], 2, "unknown command"],
      [["slave", "n:1:1:0", "--clean", "--without-clean"], 2, "cannot be used with option '--without-clean'"],
      [["reconstruct", "n:1", "--safe", "--unsafe"], 2, "cannot be used with option '--unsafe'"],
      [["reconstruct"], 2, 'either nodes or "--all" must be given'],
      [["restore", "--include", "("], 2, '"(" is not a regular expression'],
      [["verify", "--key-hash-algorithm", "md5"], 2, '"md5" is unknown'],
      [["dump", "-f", "tch"], 1, 'format "tch" is the binary file of Tokyo Cabinet: use "default" or "csv"'],
      [["dump", "-o", "/no/such/directory/file"], 1, '"/no/such/directory/file" cannot be written'],
      [["restore", "-i", "/no/such/file"], 1, '"/no/such/file" cannot be read'],
      [["list", "-i", "127.0.0.1:1"], 1, 'cannot connect to "127.0.0.1:1"'],
      [["down", "127.0.0.1:1", "--force"], 1, '"127.0.0.1:1" is not in the node map'],
      [["remove", nodes[0] as string, "--force"], 1, "stop it and wait until it is down"],
      [["master", `${nodes[0]}:1:0`, "--force"], 1, "only an active proxy can become master"],
    ];
    const results = await Promise.all(cases.map(([args]) => flare(...args)));
    cases.forEach(([args, status, message], i) => {
      assertEquals([results[i]?.status, results[i]?.stdout], [status, ""], `${args.join(" ")}: ${results[i]?.stderr}`);
      assertStringIncludes(results[i]?.stderr ?? "", message);
    });
  });

  it("says in one line which file it cannot read or write", async () => {
    await withTemporaryDirectory(async (directory) => {
      const nowhere = join(directory, "missing", "file");
      for (const [args, status, text] of [
        [["index", "--output", nowhere], 1, `flare: "${nowhere}" cannot be written: `],
        [["dump", "--output", nowhere], 1, `flare: "${nowhere}" cannot be written: `],
        [["restore", "--input", nowhere], 1, `flare: "${nowhere}" cannot be read: `],
        [["restore", "--input", directory], 1, `flare: "${directory}" cannot be read: `],
        [["ping", "--log-file", nowhere], 2, `flare: option "log-file": "${nowhere}" cannot be written: `],
      ] as const) {
        const { stderr, ...finished } = await flare(...args);
        assertEquals(finished.status, status, stderr);
        assertEquals(stderr.slice(0, text.length), text);
        assertEquals(stderr.split("\n").length, 2, stderr);
      }
    });
  });

  it("logs what it says to the servers when asked", async () => {
    await withTemporaryDirectory(async (directory) => {
      const log = join(directory, "log");
      writeFileSync(log, "first\n");
      await flare("balance", `${nodes[2]}:3`, "--force", "--debug", "--log-file", log);
      const [host, port] = (nodes[2] as string).split(":");
      assertMatch(
        readFileSync(log, "utf8"),
        new RegExp(`^first\n.* debug flare ${index} < node role ${host} ${port} slave 3 0 > OK\n$`),
      );
    });
  });
});
