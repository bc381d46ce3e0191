/** The cluster, as a picture or as a table. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Cluster } from "../model/cluster.ts";
import { count } from "../model/format.ts";
import { type Column, type Picture, type Placed, pictureOf } from "../model/picture.ts";
import { ClusterTable } from "./cluster_table.tsx";
import { usePage } from "./context.ts";
import { NodeCard } from "./node_card.tsx";
import { NodeDialog } from "./node_dialog.tsx";
import { Choice, English } from "./parts.tsx";

const SHOW_PLACE = "flare-show";
type Show = "picture" | "table";

export function ClusterView(): JSX.Element {
  const { t, link } = usePage();
  const [show, setShow] = useState<Show>(localStorage.getItem(SHOW_PLACE) === "table" ? "table" : "picture");
  const [open, setOpen] = useState<string>();
  const { cluster } = link;
  if (cluster === undefined) return <p class="empty">{t("loading")}</p>;
  const node = cluster.nodes.find(({ key }) => key === open);
  const choose = (value: Show): void => {
    localStorage.setItem(SHOW_PLACE, value);
    setShow(value);
  };
  return (
    <>
      <div class="bar">
        <ClusterLine cluster={cluster} />
        <Choice
          legend={t("show")}
          name="show"
          value={show}
          options={[
            ["picture", t("picture")],
            ["table", t("table")],
          ]}
          onChange={choose}
        />
      </div>
      {cluster.unreachable
        .filter(({ server }) => !cluster.nodes.some(({ key }) => key === server))
        .map(({ server, error }) => (
          <p key={server} class="notice notice-bad">
            <English>{t("unreachable", { server, error })}</English>
          </p>
        ))}
      {cluster.nodes.length === 0 && <p class="empty">{t("noNodes")}</p>}
      {show === "table" ? (
        <ClusterTable cluster={cluster} onOpen={setOpen} />
      ) : (
        <PictureView picture={pictureOf(cluster, link.seats)} hasNodes={cluster.nodes.length > 0} onOpen={setOpen} />
      )}
      {node !== undefined && <NodeDialog node={node} cluster={cluster} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function ClusterLine({ cluster }: { cluster: Cluster }): JSX.Element {
  const { t, language } = usePage();
  const down = cluster.nodes.filter(({ state }) => state === "down").length;
  const values = {
    nodes: count(cluster.nodes.length, language),
    down: count(down, language),
    partitions: count(cluster.partitions, language),
    version: cluster.mapVersion ?? "–",
  };
  return (
    <div class="facts">
      <p>{t(down === 0 ? "clusterLine" : "clusterLineDown", values)}</p>
      {cluster.leader !== null && (
        <p>
          {t("leader")}: <code>{cluster.leader}</code>
        </p>
      )}
    </div>
  );
}

interface Opening {
  readonly onOpen: (key: string) => void;
}

function PictureView({ picture, hasNodes, onOpen }: { picture: Picture; hasNodes: boolean } & Opening): JSX.Element {
  const { t } = usePage();
  return (
    <>
      {hasNodes && picture.columns.length === 0 && <p class="empty">{t("noPartitions")}</p>}
      <div class="columns">
        {picture.columns.map((column) => (
          <ColumnView key={column.partition} column={column} onOpen={onOpen} />
        ))}
      </div>
      <Aside title={t("strays")} id="strays" placed={picture.strays} onOpen={onOpen} />
      <Aside title={t("proxies")} id="proxies" placed={picture.proxies} onOpen={onOpen} />
    </>
  );
}

function ColumnView({ column, onOpen }: { column: Column } & Opening): JSX.Element {
  const { t } = usePage();
  const id = `partition-${column.partition}`;
  const { health } = column;
  const words = { ok: t("allWell"), weak: t("weak"), alone: t("alone"), broken: t("noMaster") }[health];
  return (
    <section class={`column column-${health}`} aria-labelledby={id}>
      <div class="column-head">
        <h2 id={id}>{t("partition", { number: column.partition })}</h2>
        <p class={`health health-${health}`}>{words}</p>
      </div>
      <ul>
        {column.master !== undefined && <NodeCard key={column.master.node.key} placed={column.master} onOpen={onOpen} />}
        {column.others.map((placed) => (
          <NodeCard key={placed.node.key} placed={placed} onOpen={onOpen} />
        ))}
      </ul>
    </section>
  );
}

function Aside(props: { title: string; id: string; placed: readonly Placed[] } & Opening): JSX.Element | null {
  if (props.placed.length === 0) return null;
  return (
    <section class="aside" aria-labelledby={props.id}>
      <h2 id={props.id}>{props.title}</h2>
      <ul>
        {props.placed.map((placed) => (
          <NodeCard key={placed.node.key} placed={placed} onOpen={props.onOpen} />
        ))}
      </ul>
    </section>
  );
}
