/** Slow requests and hot keys. Keys are data: they are shown to who has the token. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { escaped, from64 } from "../model/bytes.ts";
import type { HotKey, HotKeys, SlowRequest, SlowRequests, Unreachable } from "../model/cluster.ts";
import { bytes, count, milliseconds, percent, rate, time } from "../model/format.ts";
import { usePage } from "./context.ts";
import { Failure, Figure, Notice, Table } from "./parts.tsx";
import { useRefreshed } from "./refreshed.ts";

const NODES_SHOWN = 3;

export function RequestsView(): JSX.Element {
  const { t, api, link } = usePage();
  const [isUnlocked, setUnlocked] = useState(api.hasToken);
  const [error, setError] = useState<string>();
  if (link.cluster?.changesAllowed === false) return <p class="empty">{t("changesOff")}</p>;
  const unlock = async (): Promise<void> => {
    setError(undefined);
    try {
      await api.unlock();
      setUnlocked(true);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure.message);
    }
  };
  if (!isUnlocked) {
    return (
      <>
        <p class="note">{t("requestsIntro")}</p>
        {error !== undefined && <Failure>{error}</Failure>}
        <p>
          <button type="button" onClick={() => void unlock()}>
            {t("unlock")}
          </button>
        </p>
      </>
    );
  }
  const forget = (): void => {
    api.forgetToken();
    setUnlocked(false);
  };
  return (
    <>
      <Figures />
      <p>
        <button type="button" class="quiet" onClick={forget}>
          {t("forgetToken")}
        </button>
      </p>
    </>
  );
}

function Figures(): JSX.Element {
  const { t, api } = usePage();
  const { value: figures, error } = useRefreshed(() => async () => {
    const [slow, hot] = await Promise.all([api.slow(), api.hot()]);
    return { slow, hot };
  });
  return (
    <>
      {error !== undefined && <Failure>{error}</Failure>}
      {figures === undefined && error === undefined && <p class="empty">{t("loading")}</p>}
      {figures !== undefined && <SlowTable slow={figures.slow} />}
      {figures !== undefined && <HotTable hot={figures.hot} />}
    </>
  );
}

function SlowTable({ slow }: { slow: SlowRequests }): JSX.Element {
  const { t, language } = usePage();
  const { thresholdMs, entries } = slow;
  const number = count(slow.count, language);
  const intro =
    thresholdMs === null
      ? t("slowDiffer", { count: number })
      : thresholdMs === 0
        ? t("slowOff")
        : t("slowIntro", { count: number, threshold: milliseconds(thresholdMs, language) });
  const head = [t("timeHead"), t("took"), t("command"), t("key"), t("waitedFor"), t("size"), t("node"), t("client")];
  return (
    <div class="sampled" id="slow">
      <h2>{t("slow")}</h2>
      <p class="note">{intro}</p>
      <Missing nodes={slow.unreachable} />
      {entries.length === 0 ? (
        <p class="empty">{t("noSlow")}</p>
      ) : (
        <Table label={t("slow")} head={head}>
          {entries.map((entry, i) => (
            <SlowRow key={`${entry.atMs} ${entry.node} ${i}`} entry={entry} />
          ))}
        </Table>
      )}
    </div>
  );
}

function SlowRow({ entry }: { entry: SlowRequest }): JSX.Element {
  const { language, link } = usePage();
  const { atMs, ms, command, requests, key64, keyBytes, waitedFor, node, client } = entry;
  return (
    <tr>
      <td class="figure">{time(atMs, link.nowMs, language)}</td>
      <td class="figure">
        <Figure text={milliseconds(ms, language)} />
      </td>
      <td>
        <code>{requests === 1 ? command : `${command} +${requests - 1}`}</code>
      </td>
      <td>{key64 === null ? null : <code>{keyText(key64, keyBytes)}</code>}</td>
      <td>{waitedFor === null ? null : <code>{waitedFor}</code>}</td>
      <td class="figure">{entry.bytes === null ? null : <Figure text={bytes(entry.bytes, language)} />}</td>
      <td>
        <code>{node}</code>
      </td>
      <td>
        <code>{client}</code>
      </td>
    </tr>
  );
}

function HotTable({ hot }: { hot: HotKeys }): JSX.Element {
  const { t, language } = usePage();
  const head = [t("key"), t("part"), t("between"), t("perSecond"), t("reads"), t("writes"), t("nodesHead")];
  return (
    <div class="sampled" id="hot">
      <h2>{t("hot")}</h2>
      <p class="note">{t("hotIntro", { count: count(hot.sampled, language), rate: rate(hot.perSecond, language) })}</p>
      <Missing nodes={hot.unreachable} />
      {hot.keys.length === 0 ? (
        <p class="empty">{t("noHot")}</p>
      ) : (
        <Table label={t("hot")} head={head}>
          {hot.keys.map((hotKey) => (
            <HotRow key={`${hotKey.key64} ${hotKey.keyBytes}`} hotKey={hotKey} />
          ))}
        </Table>
      )}
    </div>
  );
}

function HotRow({ hotKey }: { hotKey: HotKey }): JSX.Element {
  const { language } = usePage();
  const { key64, keyBytes, share, shareMin, shareMax, nodes } = hotKey;
  const names = nodes.slice(0, NODES_SHOWN).map(({ node }) => node);
  return (
    <tr>
      <th scope="row">
        <code>{keyText(key64, keyBytes)}</code>
      </th>
      <td class="figure">
        <Figure text={percent(share, language)} />
      </td>
      <td class="figure">
        <Figure text={`${percent(shareMin, language)}–${percent(shareMax, language)}`} />
      </td>
      <td class="figure">
        <Figure text={rate(hotKey.perSecond, language)} />
      </td>
      <td class="figure">
        <Figure text={rate(hotKey.readsPerSecond, language)} />
      </td>
      <td class="figure">
        <Figure text={rate(hotKey.writesPerSecond, language)} />
      </td>
      <td>
        <code>{names.join(" ")}</code>
        {nodes.length > NODES_SHOWN && ` +${nodes.length - NODES_SHOWN}`}
      </td>
    </tr>
  );
}

/** Nodes whose figures are not among them. */
function Missing({ nodes }: { nodes: readonly Unreachable[] }): JSX.Element | null {
  const { t } = usePage();
  if (nodes.length === 0) return null;
  return <Notice kind="bad">{t("missing", { nodes: nodes.map(({ server }) => server).join(", ") })}</Notice>;
}

/** A key, of which only the beginning may be known. */
function keyText(key64: string, keyBytes: number | null): string {
  const key = from64(key64);
  return `${escaped(key)}${keyBytes !== null && keyBytes > key.length ? "…" : ""}`;
}
