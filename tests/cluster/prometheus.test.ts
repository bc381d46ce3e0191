/**
 * docs/monitoring as Prometheus itself sees it: the rules and their unit tests, the metrics of both daemons, and a cluster of
 * processes that is scraped while servers of it die. What should fire fires, and nothing else; every panel has data.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { HostPort } from "../../lib/base/host_port.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { LineClient } from "../support/line_client.ts";
import { alertRules, dashboardExpressions } from "../support/monitoring_files.ts";
import { INDEX, ProcessCluster } from "../support/process_cluster.ts";
import { type Labels, Prometheus, withoutPrometheus } from "../support/prometheus_server.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { runTool } from "../support/tools.ts";
import { Operator } from "./scenarios/operator.ts";

const runtime = clientRuntime();
const UNIT_TESTS = "docs/monitoring/alerts.test.yml";
/** Two masters, their slaves, and one more slave. */
const NODES = 5;
const SERVERS = 1 + NODES;
/** How long a condition holds before its alert fires: longer than a failover. */
const ALERT_S = 5;
/** Items of 1000 bytes for the copy, which takes a few seconds at its limit. */
const ITEMS = 400;
const COPY_KIB_PER_S = 64;
const PAUSE_MS = 5;

async function tool(...args: string[]): Promise<void> {
  const { status, stdout, stderr } = await runTool("promtool", args, repositoryRoot);
  assertEquals(status, 0, `${stdout}${stderr}`);
}

/** What clients do meanwhile, until it is stopped. */
async function work(node: HostPort, isOver: () => boolean): Promise<void> {
  const client = await LineClient.connect(runtime, node);
  for (let i = 0; !isOver(); i++) {
    // A server that ends, or a partition without one, answers otherwise: that is not the point here.
    void client.ask(`set key${i % ITEMS} 0 0 1\r\nx\r\n`).catch(() => {});
    void client.gets([`key${i % (2 * ITEMS)}`]).catch(() => {});
    void client.ask(`delete none${i}\r\n`).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  client.close();
}

describe("the alert rules of docs/monitoring", { skip: withoutPrometheus }, () => {
  it("are rules for promtool", () => tool("check", "rules", "docs/monitoring/alerts.yml"));

  it("pass their unit tests", () => tool("test", "rules", UNIT_TESTS));

  it("have a unit test each, which fires and does not", () => {
    const tests = readRepositoryFile(UNIT_TESTS).split("\n  - name: ").slice(1);
    assertEquals(
      tests.map((text) => text.slice(0, text.indexOf("\n"))),
      alertRules().map(({ alert }) => alert),
    );
    for (const text of tests) {
      const [name = ""] = text.split("\n");
      assertStringIncludes(text, `- { alertname: ${name}, eval_time: `);
      assert(/exp_alerts: \[\] \}/.test(text) && /exp_alerts:\n +- exp_labels/.test(text), name);
    }
  });
});

describe("a cluster that Prometheus scrapes", { skip: withoutPrometheus, timeout: 180_000 }, () => {
  it("has metrics without a fault, data for every panel, and the alerts of what has died", () =>
    withTemporaryDirectory(async (directory) => {
      const startMs = performance.now();
      const cluster = await ProcessCluster.prepare(directory, 2 * SERVERS);
      const http = (number: number): HostPort => cluster.address(SERVERS + number);
      const start = async (number: number, args: readonly string[]): Promise<HostPort> => {
        await cluster.start(number, ["--http-port", String(http(number).port), ...args]);
        return cluster.address(number);
      };
      let prometheus: Prometheus | undefined;
      let isOver = false;
      try {
        const index = await start(INDEX, ["--monitor-interval", "1", "--monitor-threshold", "2"]);
        const options = [
          ...["--index-servers", cluster.key(INDEX), "--memory-limit", "16"],
          ...["--reconstruction-bwlimit", String(COPY_KIB_PER_S)],
        ];
        const numbers = Array.from({ length: NODES }, (_, i) => 1 + i);
        const nodes = await Promise.all(numbers.map((number) => start(number, options)));
        const [masterA, masterB, slaveA, slaveB, third] = nodes as [HostPort, HostPort, HostPort, HostPort, HostPort];
        const operator = new Operator({ index, runtime });
        await operator.addPartition(masterA, 0);
        await operator.addPartition(masterB, 1);
        await operator.addSlave(slaveA, 0);
        await operator.addSlave(slaveB, 1);
        prometheus = await Prometheus.start(directory, [INDEX, ...numbers].map(http), ALERT_S);
        const monitor = prometheus;
        const fires = (wanted: Labels): Promise<void> =>
          waitUntil(
            async () => {
              const alerts = await monitor.firing();
              return alerts.some((labels) => Object.entries(wanted).every(([name, value]) => labels[name] === value));
            },
            `${JSON.stringify(wanted)} fires`,
          );
        // How many requests are slow depends on the machine.
        const firing = async (): Promise<string[]> =>
          (await monitor.firing())
            .map(({ alertname = "" }) => alertname)
            .filter((name) => name !== "FlareSlowRequests")
            .sort();

        // Its first scrapes come 5 s after its start.
        await waitUntil(async () => (await monitor.values("count(up == 1)", 2)).at(-1) === SERVERS, "all are scraped");
        const client = await LineClient.connect(runtime, masterB);
        const value = "x".repeat(1000);
        await Promise.all(
          Array.from({ length: ITEMS }, (_, i) => client.ask(`set item${i} 0 0 ${value.length}\r\n${value}\r\n`)),
        );
        client.close();
        void work(masterB, () => isOver);
        await operator.addSlave(third, 1);

        for (const number of [INDEX, 1, 3]) {
          const file = join(directory, `metrics-${number}`);
          const { port } = http(number);
          writeFileSync(file, await (await fetch(`http://${HOST}:${port}/metrics`)).text());
          const { status, stdout, stderr } = await runTool("sh", ["-c", `promtool check metrics < '${file}'`]);
          assertEquals([status, stdout, stderr], [0, "", ""]);
        }
        await new Promise((resolve) => setTimeout(resolve, (ALERT_S + 2) * 1000));
        assertEquals(await firing(), []);
        const seconds = Math.ceil((performance.now() - startMs) / 1000);
        const empty: string[] = [];
        for (const { place, text } of dashboardExpressions()) {
          const expression = text.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "4s");
          if ((await monitor.values(expression, seconds)).length === 0) empty.push(`${place}: ${expression}`);
        }
        assertEquals(empty, []);

        await cluster.end(1, "SIGKILL");
        const { host, port } = http(1);
        await fires({ alertname: "FlareDown", instance: `${host}:${port}`, severity: "critical" });
        await fires({ alertname: "FlareNodeDown", role: "proxy" });
        assertEquals(await firing(), ["FlareDown", "FlareNodeDown"]);
        // The slave is the master now, and nobody can take over from it.
        await cluster.end(3, "SIGKILL");
        await fires({ alertname: "FlareNodeDown", role: "master" });
        await cluster.end(INDEX, "SIGKILL");
        await fires({ alertname: "FlareNoLeader", job: "flare" });
      } finally {
        isOver = true;
        await prometheus?.stop();
        await cluster.clear();
      }
    }));
});
