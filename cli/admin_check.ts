/**
 * `flare check`: the health of the cluster, what is wrong, and what to do. For humans, and for monitoring by its exit status.
 */

import process from "node:process";
import type { Command } from "commander";
import { type Finding, overallState } from "../lib/admin/cluster_check.ts";
import { inspectCluster } from "../lib/admin/cluster_look.ts";
import type { Paint, Tone } from "../lib/admin/text_table.ts";
import { addTableOptions, createVerb, withAdmin } from "./admin_connection.ts";
import { paintFor } from "./colours.ts";
import { printJson, printLines } from "./output.ts";

const toneOf = { healthy: "good", note: "good", degraded: "warning", broken: "bad" } as const satisfies Record<string, Tone>;
const statusOf = { healthy: 0, degraded: 1, broken: 2 } as const;

const help = `
Checks the index server and its node map; each node: whether it answers and is healthy, its state, its node map, its queues
and connections; and each partition: its master, its slaves, and whether they have the same number of items.

Exit status: 0 healthy (only notes), 1 degraded (it works but needs attention), 2 broken (keys or servers are out of reach,
or the command line is wrong).`;

/** The verb. */
export function checkCommand(): Command {
  const command = addTableOptions(createVerb("check", "check the health of the cluster: what is wrong and what to do"))
    .option("--quiet", "print nothing; only set the exit status")
    .addHelpText("after", help);
  return command.action((options: { quiet?: true; outputFormat: string }) =>
    withAdmin(command, async (admin) => {
      const findings = await inspectCluster(admin);
      const state = overallState(findings);
      process.exitCode = statusOf[state];
      if (options.quiet) return;
      if (options.outputFormat === "json") await printJson({ state, findings });
      else {
        const paint = paintFor();
        const last = `${admin.index.server}: ${paint(state, toneOf[state])}`;
        await printLines([...findings.flatMap((finding) => findingLines(finding, paint)), last]);
      }
    }),
  );
}

function findingLines({ severity, about, problem, advice }: Finding, paint: Paint): string[] {
  const word = paint(severity, toneOf[severity]) + " ".repeat(8 - severity.length);
  return [`${word} ${about}: ${problem}`, `${" ".repeat(8)} -> ${advice}`];
}
