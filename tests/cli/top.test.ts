/** `flare top` in a terminal and without one, and the colours of other verbs, which are for terminals alone. */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cutLine } from "../../cli/live_screen.ts";
import { type Cluster, startCluster } from "../../mod.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { screenOf, startInTerminal } from "../support/pseudo_terminal.ts";
import { type Finished, runProgram, type SpawnedProgram, startProgram } from "../support/spawn.ts";

const ENTER = "\u001b[?1049h";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const RED_DOWN = "\u001b[31mdown\u001b[39m";

let cluster: Cluster;
let environment: Record<string, string>;
let keys: string[];

before(async () => {
  cluster = await startCluster({ runtime: clientRuntime(), nodes: 3, partitions: 1, slaves: 1, monitorIntervalMs: 100 });
  environment = { FLARE_INDEX_SERVER: `${cluster.indexAddress.host}:${cluster.indexAddress.port}` };
  keys = cluster.nodes.map(({ key }) => key);
});

after(() => cluster.stop());

function top(...args: readonly string[]): Promise<Finished> {
  return runProgram("flare", ["top", "--wait", "0.2", ...args], environment);
}

/** Waits until the screen has a line like this. */
async function waitForLine(program: SpawnedProgram, pattern: RegExp): Promise<void> {
  try {
    await waitUntil(() => screenOf(program.output).some((line) => pattern.test(line)), String(pattern));
  } catch (error) {
    throw new Error(`${error}, the screen shows:\n${screenOf(program.output).join("\n")}`);
  }
}

describe("flare top without a terminal", () => {
  it("prints one table after the other, without colours", async () => {
    const { status, stdout, stderr } = await top("--count", "2");
    assertEquals([status, stderr], [0, ""]);
    assert(!stdout.includes("\u001b"), stdout);
    assertEquals(stdout.match(/^node +part /gm)?.length, 2);
    for (const key of keys) assertEquals(stdout.match(new RegExp(`^${key} `, "gm"))?.length, 2, key);
  });

  it("prints a line of JSON for each look, with numbers where a node answers", async () => {
    using client = cluster.client();
    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        await client.set("key", "value");
        await client.get("key");
      }
    })();
    const { stdout } = await top("-c", "2", "-o", "json");
    isOver = true;
    await load;
    const looks = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { mapVersion: string; nodes: Record<string, unknown>[] });
    assertEquals(looks.length, 2);
    const nodes = looks[1]?.nodes ?? [];
    assertEquals(nodes.map(({ node }) => node).sort(), [...keys].sort());
    const master = nodes.find(({ role }) => role === "master");
    assert((master?.readsPerSecond as number) > 0 && (master?.writesPerSecond as number) > 0, stdout);
    assertEquals([master?.hitRate, master?.items, master?.problem], [1, 1, null]);
    assertEquals(nodes.find(({ role }) => role === "slave")?.inSync, true);
  });

  it("refuses a pause without an end, and a column that there is not", async () => {
    assertStringIncludes((await top("--wait", "0")).stderr, 'option "wait": "0" is less than 0.1');
    assertEquals((await top("--sort", "colour")).status, 2);
    assertEquals((await runProgram("flare", ["top", "-i", "127.0.0.1:1", "-c", "1"])).status, 1);
  });

  it("ends with SIGTERM", async () => {
    const program = startProgram("flare", ["top", "--wait", "0.1"], environment);
    await program.waitFor(keys[0] as string);
    program.kill("SIGTERM");
    assertEquals((await program.finished).status, undefined);
  });
});

describe("flare top in a terminal", () => {
  it("draws the nodes, sorts by a key, and leaves the terminal as it was", async () => {
    const program = startInTerminal("flare", ["top", "--wait", "0.2"], environment);
    for (const key of keys) await waitForLine(program, new RegExp(`^${key} `));
    await waitForLine(program, /get\/s, .* set\/s/);
    await waitForLine(program, /^sorted by node; q ends/);
    assertStringIncludes(program.output, ENTER);
    program.type("s");
    await waitForLine(program, /^sorted by requests; q ends/);
    program.type("S");
    program.type("S");
    await waitForLine(program, /^sorted by connections; q ends/);
    assert(!program.output.includes(LEAVE));
    program.type("q");
    const { status, stdout } = await program.finished;
    assertEquals(status, 0);
    assert(stdout.endsWith(LEAVE), JSON.stringify(stdout.slice(-100)));
  });

  it("ends with Ctrl-C, and with its count", async () => {
    const program = startInTerminal("flare", ["top", "--wait", "86400"], environment);
    await waitForLine(program, /^sorted by node/);
    program.type("\u0003");
    const { status, stdout } = await program.finished;
    assertEquals([status, stdout.endsWith(LEAVE)], [0, true]);
    const counted = await startInTerminal("flare", ["top", "-w", "0.1", "-c", "2"], environment).finished;
    assertEquals([counted.status, counted.stdout.endsWith(LEAVE)], [0, true]);
  });

  it("fits into a small terminal, and says what is not shown", async () => {
    const size = { columns: 60, rows: 6 };
    const program = startInTerminal("flare", ["top", "--wait", "0.2"], environment, size);
    await waitForLine(program, /^sorted by node; 2 more nodes below/);
    assert(screenOf(program.output).every((line) => line.length <= 60));
    program.type("q");
    await program.finished;
  });

  it("shows a node that dies as one that does not answer", async () => {
    const node = await cluster.addNode();
    const program = startInTerminal("flare", ["top", "--wait", "0.2"], environment, { columns: 200, rows: 24 });
    await waitForLine(program, new RegExp(`^${node.key} +- proxy +active`));
    await node.stop({ announce: false });
    await waitForLine(program, new RegExp(`^${node.key} .* - +- .*(cannot connect|closed|no answer)`));
    await waitForLine(program, new RegExp(`^${node.key} +- proxy +down`));
    assertStringIncludes(program.output, RED_DOWN);
    program.type("q");
    await program.finished;

    const list = await startInTerminal("flare", ["list"], environment).finished;
    assertStringIncludes(list.stdout, RED_DOWN);
    assert(!(await runProgram("flare", ["list"], environment)).stdout.includes("\u001b"));
    const plain = await startInTerminal("flare", ["list"], { ...environment, NO_COLOR: "1" }).finished;
    assertMatch(plain.stdout, / down /);
    // Deno itself may clear lines of its own there.
    assert(!plain.stdout.includes("\u001b[3"), JSON.stringify(plain.stdout));
    const check = await startInTerminal("flare", ["check"], environment).finished;
    assertStringIncludes(check.stdout, "\u001b[33mdegraded\u001b[39m");
  });
});

describe("a line of the screen", () => {
  it("is cut without its colours being counted", () => {
    const line = "ab\u001b[31mcd\u001b[39mef";
    assertEquals(
      [0, 1, 3, 5, 9].map((width) => cutLine(line, width)),
      ["\u001b[31m\u001b[39m", "a\u001b[31m\u001b[39m", "ab\u001b[31mc\u001b[39m", "ab\u001b[31mcd\u001b[39me", line],
    );
  });
});
