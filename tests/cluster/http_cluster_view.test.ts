/**
 * The cluster over HTTP, live: any of its servers shows all of it, and a stream sees a node die and return.
 *
 * Covers lib/web/web_service.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ClusterPicture } from "../../lib/web/cluster_picture.ts";
import type { Happening } from "../../lib/web/happenings.ts";
import type { HistoryPoint } from "../../lib/web/history.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { EventReader } from "../support/event_reader.ts";
import { freePorts } from "../support/free_ports.ts";
import { startOpenCluster } from "../support/open_servers.ts";

const runtime = clientRuntime();

async function json<T>(port: number, path: string): Promise<T> {
  const response = await fetch(`http://${HOST}:${port}${path}`);
  assertEquals([response.status, response.headers.get("content-type")], [200, "application/json; charset=utf-8"]);
  return (await response.json()) as T;
}

describe("a cluster over HTTP", () => {
  it("is shown by its index server and by each node", async () => {
    const httpPort = await freePorts(4);
    await using cluster = await startOpenCluster({ runtime, partitions: 1, slaves: 1, nodes: 3, httpPort });
    const client = cluster.client();
    for (let i = 0; i < 20; i++) await client.set(`key ${i}`.replace(" ", "-"), "value", { replication: "sync" });
    client.close();
    for (let server = 0; server < 4; server++) {
      let picture: ClusterPicture | undefined;
      const isComplete = async (): Promise<boolean> => {
        picture = await json<ClusterPicture>(httpPort + server, "/api/cluster");
        return picture.leader !== null && picture.nodes.every(({ items, error }) => items !== null && error === null);
      };
      await waitUntil(isComplete, `all figures from server ${server}`);
      assert(picture !== undefined);
      assertEquals(picture.self.kind, server === 0 ? "index" : "node");
      assertEquals(picture.partitions, 1);
      assertEquals(picture.nodes.map(({ role }) => role).sort(), ["master", "proxy", "slave"]);
      const { items = null } = picture.nodes.find(({ role }) => role === "slave") ?? {};
      assert(items !== null && items <= 20, `${items} items`);
      assertEquals(picture.leader, `${cluster.indexAddress.host}:${cluster.indexAddress.port}`);
    }
    const { stepS, points } = await json<{ stepS: number; points: HistoryPoint[] }>(httpPort, "/api/history");
    assertEquals(stepS, 5);
    const items = points.map((point) => point.items).filter((each) => each !== null);
    assert(items.length > 0 && Math.max(...items) <= 20, `${items}`);
    assertEquals((await fetch(`http://${HOST}:${httpPort}/api/nothing`)).status, 404);
  });

  it("is streamed: a node that stops is seen at once, by two who look", async () => {
    const httpPort = await freePorts(4);
    await using cluster = await startOpenCluster({ runtime, partitions: 1, slaves: 1, nodes: 3, httpPort });
    const readers = await Promise.all([
      EventReader.open(`http://${HOST}:${httpPort}/api/stream`),
      EventReader.open(`http://${HOST}:${httpPort + 3}/api/stream`),
    ]);
    const [master] = cluster.nodes;
    for (const reader of readers) {
      await reader.until(
        ({ event, data }) => event === "cluster" && (data as ClusterPicture).nodes.every(({ items }) => items !== null),
      );
    }
    await master?.stop();
    for (const reader of readers) {
      const { id, data } = await reader.until(
        ({ event, data }) => event === "happened" && (data as Happening).kind === "promoted",
      );
      assertEquals(id, String((data as Happening).id));
      await reader.until(
        ({ event, data }) =>
          event === "cluster" &&
          (data as ClusterPicture).nodes.some(({ key, state }) => key === master?.key && state === "down"),
      );
    }
    const happened = await json<Happening[]>(httpPort, "/api/happened");
    assert(happened.some(({ kind, node }) => kind === "lost" && node === master?.key));
    for (const reader of readers) reader.close();
  });

  it("ends its streams when it stops, and waits for nobody who reads them", async () => {
    const httpPort = await freePorts(2);
    const cluster = await startOpenCluster({ runtime, httpPort });
    const readers = await Promise.all(
      [0, 1].map((server) => EventReader.open(`http://${HOST}:${httpPort + server}/api/stream`)),
    );
    for (const reader of readers) await reader.until(({ event }) => event === "cluster");
    await cluster.stop();
    for (const reader of readers) await reader.end();
  });
});
