/** A node in the picture: who it is, how it is, and the few figures that say whether that is well. */

import type { JSX } from "preact";
import type { Copy, Node } from "../model/cluster.ts";
import { count, duration, isKnown, rate, share, UNKNOWN } from "../model/format.ts";
import type { Placed } from "../model/picture.ts";
import { usePage } from "./context.ts";
import { English, Figure, StateMark } from "./parts.tsx";

export function NodeCard({ placed, onOpen }: { placed: Placed; onOpen: (key: string) => void }): JSX.Element {
  const { t, language } = usePage();
  const { node, was } = placed;
  const isDown = node.state === "down";
  return (
    <li class={`card card-${node.role} card-${node.state}`} data-node={node.key} data-state={node.state} data-role={node.role}>
      <div class="card-head">
        <StateMark state={node.state} />
        <span class="role">{isDown && was !== undefined ? t("was", { role: t(was) }) : t(node.role)}</span>
      </div>
      <h3>
        <button type="button" class="name" onClick={() => onOpen(node.key)}>
          {node.key}
        </button>
      </h3>
      {node.copy !== null && <CopyBar copy={node.copy} />}
      {!isDown && (
        <dl class="figures">
          <Pair name={t("balance")} text={count(node.balance, language)} />
          {node.role === "slave" && (
            <Pair name={t("inSync")} text={yesNo(node.inSync, t("yes"), t("no"))} bad={node.inSync === false} />
          )}
          {node.role === "slave" && <Pair name={t("lag")} text={lagText(node, language)} />}
          <Pair name={t("gets")} text={rate(node.rates?.get, language)} />
          <Pair name={t("sets")} text={rate(node.rates?.set, language)} />
          <Pair name={t("hitRatio")} text={share(node.rates?.hits, node.rates?.misses, language)} />
          <Pair name={t("items")} text={count(node.items, language)} />
          <Pair name={t("version")} text={node.version ?? UNKNOWN} />
        </dl>
      )}
      {node.inSync === false && node.whyNot !== null && (
        <p class="card-error">
          <English>{node.whyNot}</English>
        </p>
      )}
      {node.error !== null && (
        <p class="card-error">
          <English>{node.error}</English>
        </p>
      )}
    </li>
  );
}

function Pair({ name, text, bad = false }: { name: string; text: string; bad?: boolean }): JSX.Element {
  return (
    <div class={bad ? "bad" : ""}>
      <dt>{name}</dt>
      <dd>
        <Figure text={text} />
      </dd>
    </div>
  );
}

/** How far a copy is. */
export function CopyBar({ copy }: { copy: Copy }): JSX.Element {
  const { t, language } = usePage();
  const text = t("copying", {
    phase: copy.phase,
    done: count(copy.done, language),
    total: count(copy.total, language),
    eta: duration(copy.etaS, language),
  });
  const known = isKnown(copy.done) && isKnown(copy.total) && copy.total > 0;
  return (
    <div class="copy">
      <progress
        aria-label={text}
        {...(known ? { value: Math.min(copy.done ?? 0, copy.total ?? 0), max: copy.total ?? 1 } : {})}
      />
      <p>{text}</p>
    </div>
  );
}

export function yesNo(value: boolean | null, yes: string, no: string): string {
  return value === null ? UNKNOWN : value ? yes : no;
}

/** The lag in entries, and in time where it is known. */
function lagText({ lagEntries, lagS }: Node, language: string): string {
  const entries = count(lagEntries, language);
  return isKnown(lagS) && lagS > 0 ? `${entries} · ${duration(lagS, language)}` : entries;
}
