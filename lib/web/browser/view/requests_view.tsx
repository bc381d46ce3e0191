/** Slow requests and hot keys, where this server has them. */

import type { JSX } from "preact";
import { escaped, from64 } from "../model/bytes.ts";
import type { HotKeys, SlowRequests } from "../model/cluster.ts";
import { bytes, count, milliseconds, percent, rate, time, UNKNOWN } from "../model/format.ts";
import { usePage } from "./context.ts";
import { Failure, Figure, Table } from "./parts.tsx";
import { useRefreshed } from "./refreshed.ts";

/** What the server has of both; undefined where it has none. */
interface RequestFigures {
  readonly slow: SlowRequests | undefined;
  readonly hot: HotKeys | undefined;
}

export function RequestsView(): JSX.Element {
  const { t, api } = usePage();
  const { value: figures, error } = useRefreshed(() => async (): Promise<RequestFigures> => {
    const [slow, hot] = await Promise.all([api.slow(), api.hot()]);
    return { slow, hot };
  });
  return (
    <>
      {error !== undefined && <Failure>{error}</Failure>}
      {figures === undefined && <p class="empty">{t("loading")}</p>}
      {figures?.slow !== undefined && <SlowTable slow={figures.slow} />}
      {figures?.hot !== undefined && <HotTable hot={figures.hot} />}
    </>
  );
}

function SlowTable({ slow }: { slow: SlowRequests }): JSX.Element {
  const { t, language, link } = usePage();
  return (
    <div class="sampled" id="slow">
      <h2>{t("slow")}</h2>
      <p class="note">{t("slowIntro", { threshold: milliseconds(slow.thresholdMs, language) })}</p>
      {slow.entries.length === 0 ? (
        <p class="empty">{t("noSlow")}</p>
      ) : (
        <Table label={t("slow")} head={[t("timeHead"), t("took"), t("command"), t("key"), t("size"), t("node"), t("client")]}>
          {slow.entries
            .toSorted((left, right) => right.atMs - left.atMs)
            .map((entry) => (
              <tr key={`${entry.atMs} ${entry.node} ${entry.key64} ${entry.ms}`}>
                <td class="figure">{time(entry.atMs, link.nowMs, language)}</td>
                <td class="figure">
                  <Figure text={milliseconds(entry.ms, language)} />
                </td>
                <td>
                  <code>{entry.command ?? UNKNOWN}</code>
                </td>
                <td>
                  <code>{entry.key64 === null ? UNKNOWN : escaped(from64(entry.key64))}</code>
                </td>
                <td class="figure">
                  <Figure text={bytes(entry.bytes, language)} />
                </td>
                <td>
                  <code>{entry.node ?? UNKNOWN}</code>
                </td>
                <td>
                  <code>{entry.client ?? UNKNOWN}</code>
                </td>
              </tr>
            ))}
        </Table>
      )}
    </div>
  );
}

function HotTable({ hot }: { hot: HotKeys }): JSX.Element {
  const { t, language } = usePage();
  return (
    <div class="sampled" id="hot">
      <h2>{t("hot")}</h2>
      <p class="note">{t("hotIntro", { count: count(hot.sampled, language) })}</p>
      {hot.keys.length === 0 ? (
        <p class="empty">{t("noHot")}</p>
      ) : (
        <Table label={t("hot")} head={[t("key"), t("part"), t("perSecond"), t("node")]}>
          {hot.keys.map((key) => (
            <tr key={`${key.node} ${key.key64}`}>
              <th scope="row">
                <code>{escaped(from64(key.key64))}</code>
              </th>
              <td class="figure">
                <Figure text={percent(key.share, language)} />
              </td>
              <td class="figure">
                <Figure text={rate(key.perS, language)} />
              </td>
              <td>
                <code>{key.node ?? UNKNOWN}</code>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
