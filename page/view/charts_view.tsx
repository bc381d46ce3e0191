/** The last hour of the whole cluster as charts. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import type { HistoryPoint } from "../model/cluster.ts";
import { bytes, count, duration, milliseconds, rate } from "../model/format.ts";
import { mergedHistory } from "../model/history.ts";
import { Chart, type ChartProps } from "./chart.tsx";
import { usePage } from "./context.ts";
import { English, Notice } from "./parts.tsx";

const REFRESH_MS = 5000;

export function ChartsView(): JSX.Element {
  const { t } = usePage();
  const { points, stepS, error } = useHistory();
  const charts: Pick<ChartProps, "title" | "series" | "format" | "isWhole">[] = [
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
      isWhole: true,
      series: [{ name: t("entries"), read: ({ lagEntries }) => lagEntries }],
    },
    { title: t("chartItems"), format: count, isWhole: true, series: [{ name: t("items"), read: ({ items }) => items }] },
    {
      title: t("chartMemory"),
      format: bytes,
      series: [
        { name: t("memory"), read: ({ memory }) => memory },
        { name: t("disk"), read: ({ disk }) => disk },
      ],
    },
    {
      title: t("chartConnections"),
      format: count,
      isWhole: true,
      series: [{ name: t("connections"), read: ({ connections }) => connections }],
    },
  ];
  return (
    <>
      <p class="note">{t("lastHour")}</p>
      {error !== undefined && (
        <Notice kind="bad">
          <English>{error}</English>
        </Notice>
      )}
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

/** The points so far; asks for new ones as long as the view is there. */
function useHistory(): { points: readonly HistoryPoint[]; stepS: number; error: string | undefined } {
  const { api } = usePage();
  const [history, setHistory] = useState<{ points: readonly HistoryPoint[]; stepS: number }>({ points: [], stepS: 5 });
  const [error, setError] = useState<string>();
  useEffect(() => {
    let points: readonly HistoryPoint[] = [];
    let isGone = false;
    const refresh = async (): Promise<void> => {
      try {
        const { stepS, points: added } = await api.history(points.at(-1)?.atMs ?? 0);
        if (isGone) return;
        points = mergedHistory(points, added);
        setHistory({ points, stepS });
        setError(undefined);
      } catch (failure) {
        if (!(failure instanceof ApiError)) throw failure;
        if (!isGone) setError(failure.message);
      }
    };
    void refresh();
    const timer = setInterval(() => void refresh(), REFRESH_MS);
    return () => {
      isGone = true;
      clearInterval(timer);
    };
  }, [api]);
  return { ...history, error };
}
