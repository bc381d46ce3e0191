/**
 * Slow requests and hot keys of real programs, each under another runtime: one node stands still for a while, and what waited
 * for it is in `stats slow`, over HTTP, on the command line and in the log; the keys of the requests, too.
 *
 * Covers lib/web/requests.ts and cli/admin_requests.ts.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { base64url } from "../../lib/base/base64.ts";
import { Client, ClusterAdmin, masterChange } from "../../mod.ts";
import { clientRuntime, HOST } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { INDEX, ProcessCluster } from "../support/process_cluster.ts";
import { type Finished, runProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";

const TOKEN = "a-token-of-this-test-0123456789";
const STOPPED_MS = 400;
const GETS = 4000;

interface SlowAnswer {
  readonly thresholdMs: number | null;
  readonly count: number;
  readonly nodes: readonly string[];
  readonly unreachable: readonly { readonly server: string; readonly error: string }[];
  readonly entries: readonly Readonly<Record<string, unknown>>[];
}

interface HotAnswer extends Omit<SlowAnswer, "thresholdMs" | "count" | "entries"> {
  readonly sampled: number;
  readonly perSecond: number;
  readonly counted: string;
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

const runtime = clientRuntime();
let directory: string;
let cluster: ProcessCluster;
let httpPort: number;
/** A key of the second node. */
let far: string;

async function ask<Shape>(path: string, number: number, token = TOKEN): Promise<{ status: number; body: Shape }> {
  const response = await fetch(`http://${HOST}:${httpPort + number}${path}`, { headers: { "flare-token": token } });
  return { status: response.status, body: (await response.json()) as Shape };
}

async function flare(...args: readonly string[]): Promise<Finished> {
  return runProgram("flare", args, { FLARE_INDEX_SERVER: cluster.key(INDEX) });
}

/** A key that the second node has. */
async function farKey(first: Client, second: Client): Promise<string> {
  for (let at = 0; ; at++) {
    await first.set(`key ${at}`.replace(" ", ":"), "v");
    if ((await second.stats()).get("curr_items") === "1") return `key:${at}`;
  }
}

describe("slow requests and hot keys", { timeout: 180_000 }, () => {
  before(async () => {
    directory = makeTemporaryDirectory();
    cluster = await ProcessCluster.prepare(directory, 3);
    httpPort = await freePorts(3);
    const tokenFile = join(directory, "token");
    writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    const http = (number: number) => ["--http-port", String(httpPort + number), "--http-token-file", tokenFile];
    await cluster.start(INDEX, ["--monitor-interval", "1", "--monitor-threshold", "10", ...http(INDEX)]);
    for (const number of [1, 2]) await cluster.start(number, ["--index-servers", cluster.key(INDEX), ...http(number)]);
    using admin = new ClusterAdmin({ runtime, indexServer: cluster.address(INDEX) });
    for (const number of [1, 2]) {
      const change = masterChange([{ node: cluster.key(number), balance: 1, partition: number - 1 }], { activate: true });
      for await (const event of admin.carryOut(change, { pollMs: 50 })) assert(event.kind !== "retry");
    }
    using first = new Client({ runtime, ...cluster.address(1) });
    using second = new Client({ runtime, ...cluster.address(2) });
    far = await farKey(first, second);
    await first.get(far);
    for (const client of [first, second]) await client.line("stats reset");
    // The second node stands still while it is asked.
    cluster.signal(2, "SIGSTOP");
    const answer = first.get(far);
    await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
    cluster.signal(2, "SIGCONT");
    assertEquals(new TextDecoder().decode((await answer)?.value), "v");
    for (let i = 0; i < GETS; i += 40) await Promise.all(Array.from({ length: 40 }, () => first.get(far)));
  });

  after(async () => {
    await cluster?.clear();
    removeTemporaryDirectory(directory);
  });

  it("are lines of stats, and one line of the log", async () => {
    using first = new Client({ runtime, ...cluster.address(1) });
    const slow = await first.stats("slow");
    const get = [...slow].find(([name, value]) => name.endsWith(":key") && value === far.replace(":", "%3A"));
    assert(get !== undefined, JSON.stringify([...slow]));
    const [id] = get[0].split(":") as [string];
    assertEquals(slow.get(`${id}:waited_for`), cluster.key(2));
    assert(Number(slow.get(`${id}:took_ms`)) > STOPPED_MS - 100, slow.get(`${id}:took_ms`));
    assert(Math.abs(Number(slow.get(`${id}:time_ms`)) - Date.now()) < 120_000);
    assertEquals((await first.stats("hot")).get("1:key"), far.replace(":", "%3A"));
    const logged = cluster.programs[1]?.output ?? "";
    assertMatch(
      logged,
      new RegExp(`slow request: "get" of key "${far}" from "${HOST}:\\d+" took "\\d+" ms, it waited for node`),
    );
  });

  it("are shown over HTTP: a node's own, and those of all nodes at the index server", async () => {
    for (const number of [INDEX, 1]) {
      const { status, body } = await ask<SlowAnswer>("/api/slow", number);
      assertEquals([status, body.thresholdMs, body.unreachable], [200, 100, []]);
      assertEquals(body.nodes, number === INDEX ? [cluster.key(1), cluster.key(2)] : [cluster.key(1)]);
      const slow = body.entries.find(({ key64 }) => key64 === base64url(new TextEncoder().encode(far)));
      const { node, command, keyBytes, waitedFor, requests, bytes } = slow ?? {};
      assertEquals(
        { node, command, keyBytes, waitedFor, requests, bytes },
        { node: cluster.key(1), command: "get", keyBytes: far.length, waitedFor: cluster.key(2), requests: 1, bytes: null },
      );
    }
    for (const [number, counted] of [
      [INDEX, "clients"],
      [1, "all"],
      [2, "all"],
    ] as const) {
      const { status, body } = await ask<HotAnswer>("/api/hot", number);
      assertEquals([status, body.counted], [200, counted]);
      const [key] = body.keys;
      assertEquals([key?.key64, key?.share], [base64url(new TextEncoder().encode(far)), 1]);
      const nodes = key?.nodes as { node: string; perSecond: number }[];
      assertEquals(
        nodes.map(({ node }) => node),
        [cluster.key(number === 2 ? 2 : 1)],
      );
      assert((key?.perSecond as number) > 0 && body.perSecond === key?.perSecond);
      // About one of a hundred, at each node by itself: five standard deviations.
      assert(body.sampled > 0 && body.sampled < (number === INDEX ? 2 : 1) * (GETS / 100) * 2.5, `${body.sampled}`);
    }
  });

  it("are data: over HTTP they need the token", async () => {
    for (const path of ["/api/slow", "/api/hot"]) {
      for (const number of [INDEX, 1]) {
        const { status, body } = await ask<Record<string, unknown>>(path, number, "not-the-token-of-this-test");
        assertEquals([status, Object.keys(body)], [403, ["error"]], path);
        assertEquals((await ask<Record<string, unknown>>(path, number, "")).status, 403);
      }
    }
  });

  it("are tables and data on the command line", async () => {
    const slow = await flare("slow");
    assertEquals([slow.status, slow.stderr], [0, ""]);
    assertMatch(slow.stdout, /^time +node +ms command key +bytes waited for +client\n/);
    assertMatch(slow.stdout, new RegExp(`Z ${cluster.key(1)} +\\d+ get +${far} +- ${cluster.key(2)} +${HOST}:\\d+\n`));
    const slowJson = JSON.parse((await flare("slow", cluster.key(1), "-c", "500", "-o", "json")).stdout) as SlowAnswer;
    const entry = slowJson.entries.find(({ key }) => key === far);
    assertEquals([slowJson.thresholdMs, entry?.waitedFor, entry?.node], [100, cluster.key(2), cluster.key(1)]);
    assertMatch(String(entry?.at), /^\d{4}-\d\d-\d\dT.*Z$/);
    const hot = await flare("hot");
    assertEquals([hot.status, hot.stderr], [0, ""]);
    assertMatch(hot.stdout, new RegExp(`^key .*nodes\n${far} +100.0% 100.0% … 100.0% .* ${cluster.key(1)}\n$`));
    const hotJson = JSON.parse((await flare("hot", cluster.key(2), "-o", "json")).stdout) as HotAnswer;
    assertEquals([hotJson.nodes, hotJson.keys.map(({ key }) => key)], [[cluster.key(2)], [far]]);
  });

  it("of an unknown node, or in an unknown number, are refused", async () => {
    const unknown = await flare("hot", `${HOST}:1`);
    assertEquals(unknown.status, 1);
    assertStringIncludes(unknown.stderr, `"${HOST}:1" is not in the node map`);
    assertEquals((await flare("slow", "-c", "0")).status, 2);
  });

  it("of a node that does not answer are missing by name", async () => {
    cluster.signal(2, "SIGSTOP");
    try {
      const { body } = await ask<SlowAnswer>("/api/slow", INDEX);
      assertEquals(body.nodes, [cluster.key(1)]);
      assertEquals(
        body.unreachable.map(({ server }) => server),
        [cluster.key(2)],
      );
      const { status, stdout, stderr } = await flare("hot", "--timeout", "1");
      assertEquals(status, 1);
      assertStringIncludes(stdout, far);
      assertStringIncludes(stderr, `flare: nothing from "${cluster.key(2)}": `);
    } finally {
      cluster.signal(2, "SIGCONT");
    }
  });

  it("are forgotten with stats reset", async () => {
    using first = new Client({ runtime, ...cluster.address(1) });
    using second = new Client({ runtime, ...cluster.address(2) });
    for (const client of [first, second]) await client.line("stats reset");
    assertEquals((await ask<SlowAnswer>("/api/slow", INDEX)).body.entries, []);
    const { status, stdout, stderr } = await flare("hot");
    assertEquals([status, stdout], [0, ""]);
    assertMatch(stderr, /^flare: no key stands out among \d+ samples\n$/);
    assertEquals((await flare("slow")).stderr, "flare: no request was slow: none took 100 ms or longer\n");
  });
});
