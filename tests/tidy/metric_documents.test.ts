/**
 * The tables in docs/monitoring/metrics.md are the metrics that the daemons have. With `UPDATE_DOCUMENTS=1` in the environment
 * they are written instead of compared.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { indexMetrics } from "../../lib/index_server/index_metrics.ts";
import { nodeMetrics } from "../../lib/node_server/stats/node_metrics.ts";
import type { Metric } from "../../lib/stats/metrics/metric.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";

const document = "docs/monitoring/metrics.md";
const END = "<!-- end of metrics -->";

/** A table of metrics as it stands in the document. */
function rows<Source>(metrics: readonly Metric<Source>[]): string {
  const lines = metrics.map(({ name, labels, kind, help }) => {
    const shown = labels.length === 0 ? "" : labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${shown} | ${kind} | ${help.replaceAll("|", "\\|")} |`;
  });
  return ["| metric | labels | kind | |", "|---|---|---|---|", ...lines].join("\n");
}

const tables = [
  ["flared", rows(nodeMetrics)],
  ["flarei", rows(indexMetrics)],
] as const;

describe("the document on metrics", () => {
  for (const [name, table] of tables) {
    it(`has all metrics of ${name}`, () => {
      const text = readRepositoryFile(document);
      const [head, rest] = text.split(`<!-- metrics of ${name} -->\n`);
      const end = rest?.indexOf(END) ?? -1;
      assert(head !== undefined && rest !== undefined && end >= 0, `${document} has no place for the metrics of ${name}`);
      if (process.env.UPDATE_DOCUMENTS === "1") {
        writeFileSync(repositoryRoot + document, `${head}<!-- metrics of ${name} -->\n${table}\n${rest.slice(end)}`);
      } else {
        const hint = `run this test with UPDATE_DOCUMENTS=1 to write the table into ${document}`;
        assertEquals(rest.slice(0, end), `${table}\n`, hint);
      }
    });
  }
});
