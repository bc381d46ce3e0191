/**
 * Items over HTTP: read, stored, deleted and listed through any server of the cluster, for who has the token.
 *
 * Covers lib/web/items.ts.
 */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { base64url, decodeBase64url } from "../../lib/base/base64.ts";
import { recordingRuntime } from "../support/access_world.ts";
import { HOST } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const TOKEN = "a-token-of-this-test-0123456789";

type Answer = Readonly<Record<string, unknown>> & { readonly status: number };

function text64(text: string): string {
  return base64url(new TextEncoder().encode(text));
}

/** Two partitions, a proxy, and an index server before them. */
async function withCluster(
  work: (world: {
    readonly cluster: Awaited<ReturnType<typeof startOpenCluster>>;
    readonly lines: readonly string[];
    ask(
      method: string,
      path: string,
      body?: unknown,
      headers?: Readonly<Record<string, string>>,
      server?: number,
    ): Promise<Answer>;
  }) => Promise<void>,
): Promise<void> {
  const { runtime, lines } = await recordingRuntime();
  await withTemporaryDirectory(async (directory) => {
    const httpTokenFile = join(directory, "token");
    writeFileSync(httpTokenFile, TOKEN);
    chmodSync(httpTokenFile, 0o600);
    const httpPort = await freePorts(4);
    await using cluster = await startOpenCluster({ runtime, partitions: 2, nodes: 3, httpPort, httpTokenFile });
    await work({
      cluster,
      lines,
      async ask(method, path, body, headers = { "flare-token": TOKEN }, server = 0) {
        const response = await fetch(`http://${HOST}:${httpPort + server}${path}`, {
          method,
          headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        return { ...((await response.json()) as object), status: response.status };
      },
    });
  });
}

describe("items over HTTP", () => {
  it("are stored, read and deleted through any server, whosever their keys are", () =>
    withCluster(async ({ cluster, lines, ask }) => {
      for (let server = 0; server < 4; server++) {
        for (const name of ["a", "bc", "user:42"]) {
          const key64 = text64(`${name}-${server}`);
          const value64 = base64url(new Uint8Array([0, 255, 13, 10, server]));
          const stored = await ask("PUT", "/api/item", { key64, value64, flags: 7, ttl: 100 }, undefined, server);
          assertEquals(stored, { stored: true, version: 1, status: 200 });
          const { ttl, ...found } = await ask("GET", `/api/item?key64=${key64}`, undefined, undefined, 3 - server);
          assertEquals(found, { found: true, key64, value64, flags: 7, bytes: 5, version: 1, status: 200 });
          assert(typeof ttl === "number" && ttl > 50 && ttl <= 100, `ttl ${ttl}`);
          assertEquals((await ask("GET", `/api/item?key=${name}-${server}`)).found, true);
        }
      }
      using client = cluster.client();
      assertEquals((await client.gets("user:42-0"))?.flags, 7);
      const gone = await ask("DELETE", `/api/item?key64=${text64("a-0")}`);
      assertEquals(gone, { deleted: true, status: 200 });
      assertEquals(await ask("DELETE", `/api/item?key64=${text64("a-0")}`), { deleted: false, status: 200 });
      assertEquals(await ask("GET", `/api/item?key64=${text64("a-0")}`), { found: false, status: 200 });
      assertEquals(await client.get("a-0"), undefined);
      const audit = lines.filter((line) => line.includes("audit "));
      assert(audit.some((line) => line.includes(`what="set ${text64("a-0")}" result="STORED"`)));
      assert(audit.some((line) => line.includes(`what="delete ${text64("a-0")}" result="DELETED"`)));
    }));

  it("never expire unless a time is given, and are not stored over what somebody else has stored since", () =>
    withCluster(async ({ cluster, ask }) => {
      const item = { key64: text64("k"), value64: text64("one") };
      await ask("PUT", "/api/item", item);
      const { ttl, version } = await ask("GET", `/api/item?key64=${item.key64}`);
      assertEquals([ttl, version], [-1, 1]);
      const second = await ask("PUT", "/api/item", { ...item, value64: text64("two"), version });
      assertEquals(second, { stored: true, version: 2, status: 200 });
      const late = await ask("PUT", "/api/item", { ...item, value64: text64("three"), version });
      assertEquals([late.status, late.result], [409, "EXISTS"]);
      const add = await ask("PUT", "/api/item", { ...item, value64: text64("four"), ifAbsent: true });
      assertEquals([add.status, add.result], [409, "NOT_STORED"]);
      const none = await ask("PUT", "/api/item", { key64: text64("none"), value64: "", version: 1 });
      assertEquals([none.status, none.result], [409, "NOT_FOUND"]);
      using client = cluster.client();
      assertEquals(new TextDecoder().decode((await client.get("k"))?.value), "two");
      // More than thirty days is a time, not a delay.
      await ask("PUT", "/api/item", { ...item, ttl: 100 * 86_400 });
      const left = Number((await ask("GET", `/api/item?key64=${item.key64}`)).ttl);
      assert(left > 99 * 86_400 && left <= 100 * 86_400, `${left}`);
    }));

  it("are listed by prefix, page by page, each key once", () =>
    withCluster(async ({ cluster, ask }) => {
      using client = cluster.client();
      const names = Array.from({ length: 25 }, (_, i) => `user:${String(i).padStart(2, "0")}`);
      await Promise.all([...names, "other"].map((key) => client.set(key, "12345")));
      const seen: string[] = [];
      for (let cursor: unknown = ""; cursor !== null; ) {
        const page = await ask("GET", `/api/scan?prefix64=${text64("user:")}&limit=10&cursor=${cursor}`);
        assertEquals(page.status, 200, JSON.stringify(page));
        const keys = page.keys as { key64: string; bytes: number }[];
        assert(keys.length <= 10);
        for (const { key64, bytes } of keys) {
          assertEquals(bytes, 5);
          seen.push(new TextDecoder().decode(decodeBase64url(key64)));
        }
        cursor = page.cursor;
      }
      assertEquals(seen, names);
      assertEquals(((await ask("GET", "/api/scan")).keys as object[]).length, 26);
    }));

  it("are nobody's without the token, and asked for as they must be", () =>
    withCluster(async ({ cluster, ask }) => {
      using client = cluster.client();
      await client.set("k", "secret value");
      const item = { key64: text64("k"), value64: text64("evil") };
      const requests = [
        ["GET", "/api/item?key=k"],
        ["GET", "/api/scan"],
        ["DELETE", "/api/item?key=k"],
        ["PUT", "/api/item", item],
      ] as const;
      for (const [method, path, body] of requests) {
        for (const headers of [{}, { "flare-token": "wrong-wrong-wrong-wrong" }] as Record<string, string>[]) {
          const answer = await ask(method, path, body, headers);
          assertEquals(answer.status, 403, `${method} ${path}`);
          assert(!JSON.stringify(answer).includes("secret"));
        }
      }
      assertEquals(new TextDecoder().decode((await client.get("k"))?.value), "secret value");
      const wrong: readonly (readonly [string, string, unknown?])[] = [
        ["GET", "/api/item"],
        ["GET", "/api/item?key64=***"],
        ["GET", `/api/item?key64=${text64("a b")}`],
        ["GET", `/api/item?key64=${text64("a\r\nflush_all")}`],
        ["GET", "/api/item?key="],
        ["GET", "/api/scan?limit=0"],
        ["GET", "/api/scan?limit=1001"],
        ["GET", "/api/scan?limit=x"],
        ["GET", "/api/scan?cursor=x"],
        ["GET", "/api/scan?prefix64=***"],
        ["PUT", "/api/item", {}],
        ["PUT", "/api/item", { ...item, ttl: -1 }],
        ["PUT", "/api/item", { ...item, flags: 2 ** 32 }],
        ["PUT", "/api/item", { ...item, version: 1.5 }],
        ["PUT", "/api/item", { ...item, version: 1, ifAbsent: true }],
        ["PUT", "/api/item", { ...item, unknown: 1 }],
        ["PUT", "/api/item", { ...item, value64: "a=b" }],
        ["PUT", "/api/item", [item]],
      ];
      for (const [method, path, body] of wrong) {
        const answer = await ask(method, path, body);
        assertEquals(answer.status, 400, `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer)}`);
        assert(typeof answer.error === "string" && answer.error !== "");
      }
      assertEquals(new TextDecoder().decode((await client.get("k"))?.value), "secret value");
    }));
});
