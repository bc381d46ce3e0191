/** A change of the cluster in words: what it would do, what it does, and what an operator should know before. Pure. */

import { type ClusterNode, stateName } from "../cluster/node.ts";
import { describeStep, differences, type Preview } from "./change.ts";
import type { ChangeEvent } from "./change_runner.ts";
import type { LostCopy } from "./only_copies.ts";
import { nodeRecord } from "./report_tables.ts";

/** The warning before an only copy is taken out of service. */
export function lostCopyText({ node, partition }: LostCopy): string {
  const consequence = "until it is back, its keys can be neither read nor written";
  return `warning: ${node} has the only copy of partition ${partition}: ${consequence}`;
}

/** The lines of an event of a running change. */
export function eventLines(event: Exclude<ChangeEvent, { kind: "progress" }>): string[] {
  switch (event.kind) {
    case "step":
      return [describeStep(event.step)];
    case "reached":
      return [`state is ${stateName(event.node.state)} -> stop waiting`];
    case "retry":
      return [`${event.node}: ${event.error.message}; trying again`];
    case "done":
      return event.node === undefined ? [`${event.key} is removed`] : [];
  }
}

/** A preview as data: its steps, and the nodes that differ. */
export function previewRecord({ before, after, steps }: Preview): {
  readonly steps: readonly string[];
  readonly nodes: readonly { readonly node: string; readonly before: unknown; readonly after: unknown }[];
} {
  const record = (node: ClusterNode | undefined): unknown => (node === undefined ? null : nodeRecord(node));
  return {
    steps: steps.map(describeStep),
    nodes: differences(before, after).map((each) => ({
      node: each.key,
      before: record(each.before),
      after: record(each.after),
    })),
  };
}
