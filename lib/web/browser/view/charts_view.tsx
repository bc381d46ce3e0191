/** The last hour of the whole cluster as charts. */

import type { JSX } from "preact";
import type { Api } from "../api.ts";
import type { HistoryPoint } from "../model/cluster.ts";
import { bytes, count, duration, milliseconds, rate } from "../model/format.ts";
import { mergedHistory } from "../model/history.ts";
import { BYTE_STEPS, Chart, type ChartProps, WHOLE_STEPS } from "./chart.tsx";
import { usePage } from "./context.ts";
import { Failure } from "./parts.tsx";
import { useRefreshed } from "./refreshed.ts";

interface History {
  readonly points: readonly HistoryPoint[];
  readonly stepS: number;
}

const NO_HISTORY: History = { points: [], stepS: 5 };

export function ChartsView(): JSX.Element {
  const { t, api } = usePage();
  const { value, error } = useRefreshed(() => growing(api));
  const { points, stepS } = value ?? NO_HISTORY;
  const charts: Pick<ChartProps, "title" | "series" | "format" | "steps">[] = [
    {
      title: t("chartRequests"),
      format: rate,
      series: [
        { name: t("get"), read: ({ get }) => get },
        { name: t("set"), read: ({ set }) => set },
      ],
    },
    {
      title: t("chartHits"),
      format: rate,
      series: [
        { name: t("hits"), read: ({ hits }) => hits },
        { name: t("misses"), read: ({ misses }) => misses },
      ],
    },
    {
      title: t("chartLatency"),
      format: milliseconds,
      series: [
        { name: t("median"), read: ({ p50 }) => p50 },
        { name: t("p99"), read: ({ p99 }) => p99 },
      ],
    },
    { title: t("chartLag"), format: duration, series: [{ name: t("lagSeconds"), read: ({ lagS }) => lagS }] },
    {
      title: t("chartLagEntries"),
      format: count,
      steps: WHOLE_STEPS,
      series: [{ name: t("entries"), read: ({ lagEntries }) => lagEntries }],
    },
    { title: t("chartItems"), format: count, steps: WHOLE_STEPS, series: [{ name: t("items"), read: ({ items }) => items }] },
    {
      title: t("chartMemory"),
      format: bytes,
      steps: BYTE_STEPS,
      series: [
        { name: t("memory"), read: ({ memory }) => memory },
        { name: t("disk"), read: ({ disk }) => disk },
      ],
    },
    {
      title: t("chartConnections"),
      format: count,
      steps: WHOLE_STEPS,
      series: [{ name: t("connections"), read: ({ connections }) => connections }],
    },
  ];
  return (
    <>
      <p class="note">{t("lastHour")}</p>
      {error !== undefined && <Failure>{error}</Failure>}
      {points.length === 0 ? (
        <p class="empty">{t("noHistory")}</p>
      ) : (
        <div class="charts">
          {charts.map((chart) => (
            <Chart key={chart.title} {...chart} points={points} stepS={stepS} />
          ))}
        </div>
      )}
    </>
  );
}

/** Asks for the points of the last hour, then for those after them. */
function growing(api: Api): () => Promise<History> {
  let points: readonly HistoryPoint[] = [];
  return async () => {
    const { stepS, points: added } = await api.history(points.at(-1)?.atMs ?? 0);
    points = mergedHistory(points, added);
    return { points, stepS };
  };
}
