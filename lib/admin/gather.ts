/** One form of `stats` of several nodes, all at once: what they say, and who says nothing. Knows no output. */

import { FlareError } from "../base/errors.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import type { ClusterAdmin } from "./cluster_admin.ts";

/** What nodes have said. */
export interface Gathered<Report> {
  readonly reports: readonly { readonly node: string; readonly report: Report }[];
  /** The nodes without one, and why. */
  readonly unreachable: readonly { readonly server: string; readonly error: string }[];
}

/**
 * Asks nodes, each by its `host:port`; in their order.
 * @param parse undefined = these are not the lines of such a report
 */
export async function gather<Report>(
  admin: Pick<ClusterAdmin, "client">,
  nodes: readonly string[],
  form: string,
  parse: (figures: Figures) => Report | undefined,
): Promise<Gathered<Report>> {
  const answers = await Promise.all(nodes.map((node) => ask(admin, node, form, parse)));
  return {
    reports: answers.flatMap(({ node, report }) => (report === undefined ? [] : [{ node, report }])),
    unreachable: answers.flatMap(({ node, error }) => (error === undefined ? [] : [{ server: node, error }])),
  };
}

async function ask<Report>(
  admin: Pick<ClusterAdmin, "client">,
  node: string,
  form: string,
  parse: (figures: Figures) => Report | undefined,
): Promise<{ node: string; report?: Report; error?: string }> {
  try {
    const report = parse(await admin.client(node).stats(form));
    if (report !== undefined) return { node, report };
    return { node, error: `it does not know "stats ${form}": it runs an older release, or the original` };
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return { node, error: error.message };
  }
}
