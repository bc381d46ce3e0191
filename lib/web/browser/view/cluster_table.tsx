/** The cluster as a table: everything that is known of each node, one row for each. */

import type { JSX } from "preact";
import type { MessageKey, Translate } from "../messages/messages.ts";
import type { Cluster, Node } from "../model/cluster.ts";
import { bytes, count, duration, milliseconds, rate, share, UNKNOWN } from "../model/format.ts";
import { usePage } from "./context.ts";
import { yesNo } from "./node_card.tsx";
import { Figure, StateMark, Table } from "./parts.tsx";

type Read = (node: Node, language: string, t: Translate) => string;

/** What is known of a node, beside its name, role and state. */
export const NODE_FIGURES: readonly (readonly [MessageKey, Read])[] = [
  ["partitionHead", ({ partition }, language) => count(partition, language)],
  ["balance", ({ balance }, language) => count(balance, language)],
  ["inSync", ({ inSync }, _, t) => yesNo(inSync, t("yes"), t("no"))],
  ["lagEntries", ({ lagEntries }, language) => count(lagEntries, language)],
  ["lagBytes", ({ lagBytes }, language) => bytes(lagBytes, language)],
  ["lagSeconds", ({ lagS }, language) => duration(lagS, language)],
  ["gets", ({ rates }, language) => rate(rates?.get, language)],
  ["sets", ({ rates }, language) => rate(rates?.set, language)],
  ["hitRatio", ({ rates }, language) => share(rates?.hits, rates?.misses, language)],
  ["latencyP50", ({ latencyMs }, language) => milliseconds(latencyMs?.p50, language)],
  ["latencyP99", ({ latencyMs }, language) => milliseconds(latencyMs?.p99, language)],
  ["items", ({ items }, language) => count(items, language)],
  ["memory", (node, language) => bytes(node.bytes, language)],
  ["disk", ({ diskBytes }, language) => bytes(diskBytes, language)],
  ["connections", ({ connections }, language) => count(connections, language)],
  ["epoch", ({ epoch }) => (epoch === null ? UNKNOWN : String(epoch))],
  ["version", ({ version }) => version ?? UNKNOWN],
  ["uptime", ({ uptimeS }, language) => duration(uptimeS, language)],
];

export function ClusterTable({ cluster, onOpen }: { cluster: Cluster; onOpen: (key: string) => void }): JSX.Element {
  const { t, language } = usePage();
  const head = [t("node"), t("role"), t("state"), ...NODE_FIGURES.map(([name]) => t(name))];
  return (
    <Table label={t("cluster")} head={head}>
      {cluster.nodes.map((node) => (
        <tr key={node.key} class={`row-${node.state}`} data-node={node.key} data-state={node.state} data-role={node.role}>
          <th scope="row">
            <button type="button" class="name" onClick={() => onOpen(node.key)}>
              {node.key}
            </button>
          </th>
          <td>{t(node.role)}</td>
          <td>
            <StateMark state={node.state} />
          </td>
          {NODE_FIGURES.map(([name, read]) => (
            <td key={name} class="figure">
              <Figure text={read(node, language, t)} />
            </td>
          ))}
        </tr>
      ))}
    </Table>
  );
}
