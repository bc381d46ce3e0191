/**
 * The metrics of both daemons over HTTP, read by a strict reader: what memcached's exporter would show is there under its
 * names, and what Flare has says what the cluster is like.
 *
 * Covers lib/stats/stat_sink.ts, lib/stats/metrics/server_metrics.ts, lib/node_server/stats/node_metrics.ts and
 * lib/index_server/index_metrics.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { indexMetrics } from "../../lib/index_server/index_metrics.ts";
import type { RunningNode } from "../../lib/node_server/node_server.ts";
import { nodeMetrics } from "../../lib/node_server/stats/node_metrics.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { type ParsedMetric, parseMetrics } from "../support/metrics_text.ts";
import { allExpressions, namedIn } from "../support/monitoring_files.ts";
import { startOpenIndex, startOpenNode } from "../support/open_servers.ts";
import { responsesIn, talk } from "../support/raw_http.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const runtime = clientRuntime();
const NAMES = { runtime, bind: HOST, serverName: HOST, serverPort: 0 };

/** What memcached_exporter 0.15 shows of a memcached without extstore and proxy, and without its collector of slabs. */
const EXPORTED = `accepting_connections commands_total connections_rejected_total connections_total current_bytes
current_connections current_items direct_reclaims_total item_no_memory_total item_too_large_total items_evicted_total
items_total limit_bytes lru_crawler_items_checked_total lru_crawler_moves_within_lru_total lru_crawler_reclaimed_total
lru_crawler_starts_total malloced_bytes max_connections process_system_cpu_seconds_total process_user_cpu_seconds_total
read_bytes_total slab_current_items slab_items_age_seconds slab_items_crawler_reclaimed_total slab_items_evicted_nonzero_total
slab_items_evicted_time_seconds slab_items_evicted_total slab_items_evicted_unfetched_total slab_items_expired_unfetched_total
slab_items_outofmemory_total slab_lru_hits_total slab_mem_requested_bytes time_seconds up uptime_seconds version
written_bytes_total`.split(/\s+/);
/** What it shows of things that are not here: always 0 in `stats`, or settings of them. */
const NOT_HERE = `connections_listener_disabled_total connections_yielded_total items_reclaimed_total lru_crawler_enabled
lru_crawler_hot_max_factor lru_crawler_hot_percent lru_crawler_maintainer_thread lru_crawler_moves_to_cold_total
lru_crawler_moves_to_warm_total lru_crawler_sleep lru_crawler_to_crawl lru_crawler_warm_max_factor
lru_crawler_warm_percent slab_cold_items slab_hot_age_seconds slab_hot_items slab_items_moves_to_cold
slab_items_moves_to_warm slab_items_moves_within_lru slab_items_reclaimed_total slab_items_tailrepairs_total
slab_temporary_items slab_warm_age_seconds slab_warm_items`.split(/\s+/);

type Metrics = ReadonlyMap<string, ParsedMetric>;

async function scrape(port: number, accept = "*/*"): Promise<Metrics> {
  const request = `GET /metrics HTTP/1.1\r\nHost: ${HOST}\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`;
  const [response] = responsesIn(await talk(runtime, { host: HOST, port }, request));
  assertEquals(response?.status, 200);
  return parseMetrics(response?.body ?? "", accept.includes("openmetrics") ? "openmetrics" : "prometheus");
}

/** The value of a metric with these labels; undefined = there is none. */
function value(metrics: Metrics, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const samples = metrics.get(name.replace(/_count$/, ""))?.samples ?? [];
  const of = samples.filter((sample) => sample.name === name || !name.endsWith("_count"));
  return of.find((sample) => Object.entries(labels).every(([label, text]) => sample.labels.get(label) === text))?.value;
}

interface World {
  readonly ports: readonly [index: number, master: number, slave: number];
  readonly master: RunningNode;
  readonly slave: RunningNode;
  readonly index: TextClient;
}

/** An index server, a master and its slave, with data on disk. */
async function withCluster(work: (world: World) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const first = await freePorts(3);
    await using index = await startOpenIndex({ ...NAMES, indexDb: "memory://", httpPort: first });
    const node = (number: number) =>
      startOpenNode({
        ...NAMES,
        indexServers: [index.address],
        dataDir: `${directory}/${number}`,
        httpPort: first + 1 + number,
      });
    await using master = await node(0);
    await using slave = await node(1);
    const operator = await TextClient.connect(runtime, index.address);
    const change = async (command: string): Promise<void> => assertEquals(await operator.ask(`${command}\r\n`), "OK\r\n");
    const place = (one: RunningNode): string => `${one.address.host} ${one.address.port}`;
    await change(`node role ${place(master)} master 1 0`);
    await waitUntil(() => master.role === 0, "the master's role");
    await change(`node state ${place(master)} active`);
    await change(`node role ${place(slave)} slave 1 0`);
    await waitUntil(
      async () => value(await scrape(first + 1), "flare_in_sync_replicas") === 1 && slave.role === 1,
      "the slave",
    );
    await work({ ports: [first, first + 1, first + 2], master, slave, index: operator });
    operator.close();
  });
}

describe("the metrics of a node", () => {
  it("are what memcached's exporter shows, and what has happened", () =>
    withCluster(async ({ ports: [, port], master }) => {
      const client = await TextClient.connect(runtime, master.address);
      for (const line of ["set a 0 0 1\r\nx\r\n", "set b 0 0 1\r\ny\r\n"]) assertEquals(await client.ask(line), "STORED\r\n");
      await client.ask("get a\r\n", /END\r\n$/);
      await client.ask("get none\r\n", /END\r\n$/);
      assertEquals(await client.ask("delete b\r\n"), "DELETED\r\n");
      assertEquals(await client.ask("delete b\r\n"), "NOT_FOUND\r\n");
      for (const accept of ["text/plain", "application/openmetrics-text"]) {
        const metrics = await scrape(port, accept);
        const name = (text: string): string => (accept === "text/plain" ? text : text.replace(/_total$/, ""));
        for (const exported of EXPORTED) assert(metrics.has(name(`memcached_${exported}`)), exported);
        for (const absent of NOT_HERE) assert(!metrics.has(name(`memcached_${absent}`)), absent);
        const commands = (command: string, status: string): number | undefined =>
          value(metrics, name("memcached_commands_total"), { command, status });
        assertEquals([commands("get", "hit"), commands("get", "miss"), commands("set", "hit")], [1, 1, 2]);
        assertEquals([commands("delete", "hit"), commands("delete", "miss"), commands("cas", "badval")], [1, 1, 0]);
        assertEquals(value(metrics, "memcached_current_items"), 1);
        assertEquals(value(metrics, name("memcached_items_total")), 2);
        assertEquals(metrics.get("memcached_version")?.samples[0]?.labels.get("version"), "2.0.0");
        assert((value(metrics, "process_resident_memory_bytes") ?? 0) > 1e6);
        assertEquals(value(metrics, "flare_tombstones"), 1);
        assert((value(metrics, "flare_log_bytes") ?? 0) > 0);
        // What each turn of the event loop has written, one or more of them in one.
        const commits = value(metrics, "flare_commit_seconds_count") ?? 0;
        assert(commits >= 1 && commits <= 20, String(commits));
        assert(metrics.has("flare_event_loop_delay_seconds"));
      }
      client.close();
    }));

  it("say what it is in the cluster, and how far its slaves are", () =>
    withCluster(async ({ ports: [, masterPort, slavePort], master, slave }) => {
      const of = async (port: number): Promise<(string | number | undefined)[]> => {
        const metrics = await scrape(port);
        const held = (family: string): (string | undefined)[] =>
          (metrics.get(family)?.samples ?? [])
            .filter(({ value: held }) => held === 1)
            .map(({ labels }) => [...labels.values()][0]);
        return [
          held("flare_role").join(),
          held("flare_state").join(),
          ...["flare_partition", "flare_partitions", "flare_ready", "flare_lease_held"].map((name) => value(metrics, name)),
        ];
      };
      assertEquals(await of(masterPort), ["master", "active", 0, 1, 1, 1]);
      assertEquals(await of(slavePort), ["slave", "active", 0, 1, 1, 1]);
      const metrics = await scrape(masterPort);
      const replica = { replica: slave.key };
      assertEquals(value(metrics, "flare_replicas"), 1);
      assertEquals(value(metrics, "flare_replica_in_sync", replica), 1);
      await waitUntil(async () => value(await scrape(masterPort), "flare_replica_lag_entries", replica) === 0, "no lag");
      const atSlave = await scrape(slavePort);
      assertEquals([value(atSlave, "flare_replication_in_sync"), value(atSlave, "flare_in_sync_replicas")], [1, undefined]);
      assertEquals(value(metrics, "flare_node_map_version"), Number(master.nodeMap.version));
    }));

  it("have the times of requests, of a sample by command, and of syncs", () =>
    withCluster(async ({ ports: [, port], master }) => {
      const client = await TextClient.connect(runtime, master.address);
      for (let i = 0; i < 100; i++) await client.ask("get none\r\n", /END\r\n$/);
      const gets = (metrics: Metrics): number | undefined => {
        const { samples = [] } = metrics.get("flare_request_seconds") ?? {};
        return samples.find(({ name, labels }) => name.endsWith("_count") && labels.get("command") === "get")?.value;
      };
      assert((gets(await scrape(port)) ?? 0) >= 1);
      assertEquals(value(await scrape(port), "flare_slow_requests_total", { command: "get" }), 0);
      await client.ask("set a 0 0 1\r\nx\r\n");
      // fsync is "interval" by default.
      await waitUntil(async () => (value(await scrape(port), "flare_log_fsync_seconds_count") ?? 0) > 0, "a sync");
      client.close();
    }));

  it("count what was refused", () =>
    withCluster(async ({ ports: [, port], master }) => {
      const http = await TextClient.connect(runtime, master.address);
      await http.send("POST / HTTP/1.1\r\n\r\n");
      await http.until(() => http.closed);
      const refused = await scrape(port);
      assertEquals(value(refused, "flare_refused_total", { reason: "http" }), 1);
      assertEquals(value(refused, "flare_refused_total", { reason: "login" }), 0);
    }));
});

describe("the metrics of an index server", () => {
  it("say who leads, and what the nodes are like", () =>
    withCluster(async ({ ports: [port], master, slave }) => {
      for (const accept of ["text/plain", "application/openmetrics-text"]) {
        const metrics = await scrape(port, accept);
        assertEquals([value(metrics, "flare_index_leads"), value(metrics, "flare_index_term")], [1, 1]);
        assertEquals(value(metrics, "flare_index_db_failing_seconds"), 0);
        assertEquals(value(metrics, "flare_index_nodes", { role: "master", state: "active" }), 1);
        assertEquals(value(metrics, "flare_index_nodes", { role: "proxy", state: "active" }), 0);
        assertEquals(value(metrics, "flare_index_node", { node: slave.key, role: "slave", partition: "0" }), 1);
        assertEquals(value(metrics, "flare_index_partitions"), 1);
        assertEquals(value(metrics, "flare_index_monitor_failures", { node: master.key }), 0);
        assertEquals(value(metrics, "flare_ready"), 1);
      }
    }));
});

describe("the alert rules and the dashboard of docs/monitoring", () => {
  /** What a cluster without a copy, another cluster, an archive or TLS does not show. */
  const ELSEWHERE = [
    "flare_copy_items",
    "flare_copy_expected_items",
    "flare_log_archive_lag_seconds",
    "flare_log_archive_missing_total",
  ];

  it("are about what a running cluster shows, with the labels that it has", () =>
    withCluster(async ({ ports, master }) => {
      const client = await TextClient.connect(runtime, master.address);
      for (let i = 0; i < 100; i++) await client.ask(`set key${i} 0 0 1\r\nx\r\n`);
      client.close();
      const shown = new Map<string, Set<string>>();
      for (const port of ports) {
        for (const [name, { samples }] of await scrape(port)) {
          const labels = shown.get(name) ?? new Set<string>();
          for (const sample of samples) for (const label of sample.labels.keys()) labels.add(label);
          shown.set(name, labels);
        }
      }
      const missing = new Set<string>();
      for (const expression of allExpressions()) {
        for (const { name, labels } of namedIn(expression).metrics) {
          if (!shown.has(name)) missing.add(name);
          else for (const label of labels) if (!shown.get(name)?.has(label)) missing.add(`${name} ${label}`);
        }
      }
      assertEquals([...missing].sort(), [...ELSEWHERE].sort());
    }));
});

describe("every metric", () => {
  it("has a name, a kind and a help by the rules, once", () => {
    for (const metrics of [nodeMetrics, indexMetrics]) {
      const names = metrics.map(({ name }) => name);
      assertEquals(new Set(names).size, names.length);
      for (const { name, kind, help, labels } of metrics) {
        assert(/^(memcached|flare|process)_[a-z][a-z_]*[a-z]$/.test(name), name);
        assertEquals(name.endsWith("_total"), kind === "counter", name);
        assert(/^[A-Z1][^."\\]*[a-z0-9)]$|memory-limit/.test(help), `${name}: ${help}`);
        assert(
          labels.every((label) => /^[a-z]+$/.test(label) && label !== "le"),
          name,
        );
        assert(!/_(bucket|count|sum|info)$/.test(name), name);
      }
    }
  });
});
