/**
 * The alert rules and the dashboard of docs/monitoring: complete, well-formed, and about metrics and labels that exist.
 * tests/cluster/metrics.test.ts checks that a running cluster shows them.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { indexMetrics } from "../../lib/index_server/index_metrics.ts";
import { nodeMetrics } from "../../lib/node_server/stats/node_metrics.ts";
import { alertRules, allExpressions, dashboardExpressions, namedIn } from "../support/monitoring_files.ts";
import { readRepositoryFile } from "../support/repository.ts";

const labels = new Map<string, ReadonlySet<string>>(
  [...nodeMetrics, ...indexMetrics].map(({ name, labels: known }) => [name, new Set(known)]),
);

/** Counters that a server may begin with: no scrape sees the increase. */
const FOUND_AT_START = new Set(["flare_corrupt_records_total"]);

/** What is wrong with the brackets and quotes of an expression. */
function unbalanced(text: string): boolean {
  const stack: string[] = [];
  const pairs: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };
  for (const letter of text.replaceAll(/"[^"]*"/g, "")) {
    if ("([{".includes(letter)) stack.push(letter);
    else if (pairs[letter] !== undefined && stack.pop() !== pairs[letter]) return true;
  }
  return stack.length > 0 || (text.match(/"/g)?.length ?? 0) % 2 === 1;
}

describe("the alert rules and the dashboard", () => {
  it("name metrics and labels that exist", () => {
    const wrong: string[] = [];
    for (const expression of allExpressions()) {
      const { metrics, groupedBy } = namedIn(expression);
      for (const metric of metrics) {
        const known = labels.get(metric.name);
        if (known === undefined) wrong.push(`${expression.place}: there is no ${metric.name}`);
        else
          for (const label of metric.labels)
            if (!known.has(label)) wrong.push(`${expression.place}: ${metric.name} has no ${label}`);
      }
      const among = new Set(metrics.flatMap(({ name }) => [...(labels.get(name) ?? [])]));
      for (const label of groupedBy) if (!among.has(label)) wrong.push(`${expression.place}: nothing has the label ${label}`);
      if (metrics.length === 0 && !expression.text.startsWith("up{")) wrong.push(`${expression.place} names no metric`);
      if (unbalanced(expression.text)) wrong.push(`${expression.place}: ${expression.text}`);
    }
    assertEquals(wrong, []);
  });

  it("take rates of counters and histograms alone, and quantiles of buckets", () => {
    const kinds = new Map([...nodeMetrics, ...indexMetrics].map(({ name, kind }) => [name, kind]));
    for (const { place, text } of allExpressions()) {
      for (const [, name = ""] of text.matchAll(/\b(?:rate|increase)\(([a-z_]+)/g)) {
        const kind = kinds.get(name.replace(/_(?:bucket|sum|count)$/, ""));
        assert(kind === "counter" || kind === "histogram", `${place}: ${name} is a ${kind}`);
      }
      for (const [, inner = ""] of text.matchAll(/histogram_quantile\([\d.]+, (.*)\)$/g)) {
        assert(/_bucket\b/.test(inner) && /\ble\b/.test(inner), `${place}: ${text}`);
      }
      for (const [name] of text.matchAll(/\b(?:memcached|flare|process)_[a-z_]+_total\b/g)) {
        if (FOUND_AT_START.has(name)) continue;
        assert(new RegExp(`\\b(?:rate|increase)\\(${name}`).test(text), `${place}: ${name} without a rate`);
      }
    }
  });

  it("say for every alert how bad it is and what to do", () => {
    const rules = alertRules();
    assert(rules.length >= 20);
    assertEquals(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, expr, severity, summary, description } of rules) {
      assert(/^Flare[A-Z]\w+$/.test(alert) && expr !== "", alert);
      assert(["warning", "critical"].includes(severity), alert);
      assert(summary !== "" && /\.$/.test(description), alert);
      // The value is only shown where its unit is plain.
      const shown = [...`${summary}${description}`.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
      const { metrics } = namedIn({ place: alert, text: expr });
      const among = new Set(["instance", "job", ...metrics.flatMap(({ name }) => [...(labels.get(name) ?? [])])]);
      for (const label of shown) assert(among.has(label), `${alert} shows ${label}`);
    }
  });

  it("have a dashboard with unique panels that do not overlap", () => {
    const { panels } = JSON.parse(readRepositoryFile("docs/monitoring/dashboard.json")) as {
      panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert(x < 24 && !taken.has(`${x} ${y}`), title);
          taken.add(`${x} ${y}`);
        }
      }
    }
    assert(dashboardExpressions().length > panels.length / 2);
  });
});
