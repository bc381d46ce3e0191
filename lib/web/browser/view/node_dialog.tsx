/** Everything about one node, and what can be done with it. */

import type { JSX } from "preact";
import type { Cluster, Node } from "../model/cluster.ts";
import { ChangePanel } from "./change_panel.tsx";
import { NODE_FIGURES } from "./cluster_table.tsx";
import { usePage } from "./context.ts";
import { CopyBar } from "./node_card.tsx";
import { Dialog, English, Figure, StateMark } from "./parts.tsx";

export function NodeDialog({ node, cluster, onClose }: { node: Node; cluster: Cluster; onClose: () => void }): JSX.Element {
  const { t, language } = usePage();
  return (
    <Dialog title={t("details", { node: node.key })} onClose={onClose}>
      <p class="lead">
        <StateMark state={node.state} /> {t(node.role)}
      </p>
      {node.copy !== null && <CopyBar copy={node.copy} />}
      {node.inSync === false && node.whyNot !== null && (
        <p class="notice notice-bad">
          {t("notInSync")}: <English>{node.whyNot}</English>
        </p>
      )}
      {node.error !== null && (
        <p class="notice notice-bad">
          <English>{t("figuresMissing", { error: node.error })}</English>
        </p>
      )}
      <dl class="figures wide">
        {NODE_FIGURES.map(([name, read]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd>
              <Figure text={read(node, language, t)} />
            </dd>
          </div>
        ))}
      </dl>
      {cluster.changesAllowed ? <ChangePanel node={node} cluster={cluster} /> : <p class="note">{t("changesOff")}</p>}
    </Dialog>
  );
}
