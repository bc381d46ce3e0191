/**
 * Changes of a cluster over HTTP: what the page asks for happens as the command line would do it, for who has the token.
 *
 * Covers lib/web/changes.ts, lib/web/json_body.ts and lib/admin/change_texts.ts.
 */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { NodeRole } from "../../lib/cluster/node.ts";
import type { ClusterPicture } from "../../lib/web/cluster_picture.ts";
import type { Happening } from "../../lib/web/happenings.ts";
import { recordingRuntime } from "../support/access_world.ts";
import { HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const TOKEN = "a-token-of-this-test-0123456789";

type Answer = Readonly<Record<string, unknown>> & { readonly status: number };

/** A cluster whose changes need `TOKEN`. */
async function withCluster(
  shape: { readonly slaves?: number; readonly nodes?: number },
  work: (world: {
    readonly cluster: Awaited<ReturnType<typeof startOpenCluster>>;
    readonly lines: readonly string[];
    change(server: number, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
    url(server: number, path: string): string;
  }) => Promise<void>,
): Promise<void> {
  const { runtime, lines } = await recordingRuntime();
  await withTemporaryDirectory(async (directory) => {
    const httpTokenFile = join(directory, "token");
    writeFileSync(httpTokenFile, `${TOKEN}\n`);
    chmodSync(httpTokenFile, 0o600);
    const httpPort = await freePorts(1 + (shape.nodes ?? 1));
    await using cluster = await startOpenCluster({
      runtime,
      partitions: 1,
      monitorIntervalMs: 100,
      ...shape,
      httpPort,
      httpTokenFile,
    });
    const url = (server: number, path: string): string => `http://${HOST}:${httpPort + server}${path}`;
    await work({
      cluster,
      lines,
      url,
      async change(server, body, headers = { "flare-token": TOKEN }) {
        const response = await fetch(url(server, "/api/change"), {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify(body),
        });
        return { ...((await response.json()) as object), status: response.status };
      },
    });
  });
}

describe("changes over HTTP", () => {
  it("show what they would do, and then do it", () =>
    withCluster({ slaves: 1, nodes: 2 }, async ({ cluster, lines, change, url }) => {
      const [master, slave] = cluster.nodes.map(({ key }) => key);
      assert(master !== undefined && slave !== undefined);
      const { changesAllowed } = (await (await fetch(url(1, "/api/cluster"))).json()) as ClusterPicture;
      assertEquals(changesAllowed, true);
      const before = cluster.index.nodeMap.version;
      const dry = await change(0, { verb: "promote", nodes: [slave], dryRun: true });
      assertEquals([dry.status, dry.warnings], [200, []]);
      assert(
        (dry.steps as string[]).some((step) => step.startsWith(`node handover`)),
        JSON.stringify(dry),
      );
      assertEquals(cluster.index.nodeMap.version, before);
      // A node does it as the index server does.
      const done = await change(1, { verb: "promote", nodes: [slave] });
      assert(done.status === 200 || done.status === 202, JSON.stringify(done));
      await waitUntil(
        () => cluster.index.nodeMap.nodes.every(({ key, role }) => (role === NodeRole.master) === (key === slave)),
        "the promotion",
      );
      await waitUntil(() => lines.some((line) => line.includes('result="done"')), "the end of the change");
      // Its steps have lines of their own, at the servers that took them.
      const audit = lines.filter((line) => line.includes("audit ") && line.includes('via="http"'));
      assertEquals(
        audit.map((line) => /what="([^"]*)" result="([^"]*)"/.exec(line)?.slice(1)),
        [
          [`promote ${slave}`, "begun"],
          [`promote ${slave}`, "done"],
        ],
      );
      assert(audit.every((line) => line.includes('who="anybody" from="127.0.0.1:')));
      assert(lines.some((line) => line.includes('via="memcached" what="node handover ') && line.endsWith('result="OK"')));
      const happened = (await (await fetch(url(1, "/api/happened"))).json()) as Happening[];
      assert(happened.some(({ kind, text }) => kind === "change" && text === `promote ${slave}: done`));
      assert(lines.every((line) => !line.includes(TOKEN)));
    }));

  it("are warned of before an only copy is lost, and then need to be confirmed", () =>
    withCluster({ nodes: 1 }, async ({ cluster, change }) => {
      const [node] = cluster.nodes;
      const asked = { verb: "down", nodes: [node.key] };
      const dry = await change(0, { ...asked, dryRun: true });
      const consequence = "until it is back, its keys can be neither read nor written";
      const warning = `warning: ${node.key} has the only copy of partition 0: ${consequence}`;
      assertEquals([dry.status, dry.warnings], [200, [warning]]);
      const refused = await change(0, asked);
      assertEquals([refused.status, refused.warnings], [409, [warning]]);
      assertEquals(node.role, NodeRole.master);
      const done = await change(0, { ...asked, confirm: true });
      assertEquals([done.status, done.done], [200, [`node state ${HOST} ${node.port} down`]]);
    }));

  it("are refused as the command line refuses them, and change nothing then", () =>
    withCluster({ nodes: 1 }, async ({ cluster, change, url }) => {
      const [{ key }] = cluster.nodes;
      const before = cluster.index.nodeMap.version;
      const refused: readonly (readonly [unknown, number, string])[] = [
        [{ verb: "remove", nodes: [key] }, 409, "stop it and wait until it is down"],
        [{ verb: "promote", nodes: ["127.0.0.1:1"] }, 409, "127.0.0.1:1"],
        [{ verb: "explode", nodes: [key] }, 400, "explode"],
        [{ verb: "down" }, 400, '"nodes" is missing'],
        ["down", 400, "is not an object"],
      ];
      for (const [body, status, text] of refused) {
        const answer = await change(0, body);
        assertEquals(answer.status, status, JSON.stringify(answer));
        assert(`${answer.error}`.includes(text), `${answer.error}`);
      }
      const headers = { "content-type": "application/json", "flare-token": TOKEN };
      const broken = await fetch(url(0, "/api/change"), { method: "POST", headers, body: "{" });
      assertEquals(broken.status, 400);
      await broken.body?.cancel();
      for (const wrong of [{}, { "flare-token": "x".repeat(20) }] as Record<string, string>[]) {
        assertEquals((await change(0, { verb: "down", nodes: [key], confirm: true }, wrong)).status, 403);
      }
      assertEquals(cluster.index.nodeMap.version, before);
    }));

  it("are one at a time", () =>
    withCluster({ nodes: 3, slaves: 0 }, async ({ cluster, change }) => {
      const [, one, other] = cluster.nodes.map(({ key }) => key);
      const slave = (node: string | undefined): object => ({ verb: "slave", targets: [{ node, balance: 1, partition: 0 }] });
      const answers = await Promise.all([change(0, slave(one)), change(0, slave(other))]);
      const statuses = answers.map(({ status }) => status).sort();
      assert(
        statuses.every((status) => [200, 202, 409].includes(status)),
        JSON.stringify(answers),
      );
      const second = answers.find(({ status }) => status === 409);
      if (second !== undefined) assert(`${second.error}`.startsWith('another change runs: "slave '), `${second.error}`);
    }));
});
