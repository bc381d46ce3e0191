/**
 * Debian's Prometheus, started for a test: it scrapes every second, evaluates the rules of docs/monitoring, and answers
 * queries. And its `promtool`.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatHostPort, type HostPort } from "../../lib/base/host_port.ts";
import { HOST } from "./daemon.ts";
import { freePorts } from "./free_ports.ts";
import { readRepositoryFile } from "./repository.ts";
import { skipUnless } from "./skip.ts";
import { SpawnedProgram } from "./spawn.ts";
import { isInstalled } from "./tools.ts";

export const withoutPrometheus = skipUnless(isInstalled("prometheus") && isInstalled("promtool"), "prometheus");

/** The labels of an alert; `alertname` is its name. */
export type Labels = Readonly<Record<string, string>>;

export class Prometheus {
  readonly #url: string;
  readonly #program: SpawnedProgram;

  private constructor(url: string, program: SpawnedProgram) {
    this.#url = url;
    this.#program = program;
  }

  /**
   * Resolves when it evaluates.
   * @param directory for its files
   * @param targets of the job "flare"
   * @param waitS how long a condition holds before an alert fires, in seconds, whatever the rules say
   */
  static async start(directory: string, targets: readonly HostPort[], waitS: number): Promise<Prometheus> {
    const rules = readRepositoryFile("docs/monitoring/alerts.yml").replaceAll(/^( +for:) \d+[smh]$/gm, `$1 ${waitS}s`);
    writeFileSync(join(directory, "alerts.yml"), rules);
    const configuration = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["alerts.yml"],
      scrape_configs: [
        { job_name: "flare", static_configs: [{ targets: targets.map(({ host, port }) => formatHostPort(host, port)) }] },
      ],
    };
    // JSON is YAML.
    const file = join(directory, "prometheus.yml");
    writeFileSync(file, JSON.stringify(configuration));
    const address = `${HOST}:${await freePorts(1)}`;
    const place = [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, "series")}`,
      `--web.listen-address=${address}`,
    ];
    const program = new SpawnedProgram("prometheus", place, {});
    await program.waitFor("Server is ready");
    return new Prometheus(`http://${address}`, program);
  }

  /** The labels of the alerts that fire now. */
  async firing(): Promise<Labels[]> {
    const { alerts } = (await this.#ask("alerts", {})) as { alerts: { labels: Labels; state: string }[] };
    return alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels);
  }

  /** The values of an expression of the last `seconds`, those that are numbers, of all its series. */
  async values(expression: string, seconds: number): Promise<number[]> {
    const end = Date.now() / 1000;
    const range = { query: expression, start: String(end - seconds), end: String(end), step: "1" };
    const { result } = (await this.#ask("query_range", range)) as { result: { values: [number, string][] }[] };
    return result.flatMap(({ values }) => values.map(([, text]) => Number(text))).filter((value) => !Number.isNaN(value));
  }

  async stop(): Promise<void> {
    this.#program.kill("SIGTERM");
    await this.#program.finished;
  }

  async #ask(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error?: string };
    if (status !== "success") throw new Error(`Prometheus answers ${response.status}: ${error}`);
    return data;
  }
}
