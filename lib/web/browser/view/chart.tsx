/**
 * A line chart: drawn on a canvas by uPlot, described in words for those who do not see it, and as a table. Lines differ by
 * dashes, not by colour alone.
 */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { HistoryPoint } from "../model/cluster.ts";
import { time, UNKNOWN } from "../model/format.ts";
import { columnsOf, sampledRows, shownSpan } from "../model/history.ts";
import { usePage } from "./context.ts";
import { Figure, Table } from "./parts.tsx";

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly read: (point: HistoryPoint) => number | null;
}

export interface ChartProps {
  readonly title: string;
  readonly series: readonly Series[];
  readonly points: readonly HistoryPoint[];
  readonly stepS: number;
  readonly format: (value: number | null, language: string) => string;
  /** The distances that the lines of its axis may have; default: any that are decimal. */
  readonly steps?: number[];
}

const HEIGHT = 170;
/** For whole numbers: nothing between them is on the axis. */
export const WHOLE_STEPS = Array.from({ length: 40 }, (_, i) => ([1, 2, 5][i % 3] ?? 1) * 10 ** Math.floor(i / 3));
/** For bytes, whose units are powers of two. */
export const BYTE_STEPS = Array.from({ length: 60 }, (_, i) => 2 ** i);
const ROW_MINUTES = 5;
const DASHES = [[], [7, 4], [2, 3]];

export function Chart({ title, series, points, stepS, format, steps }: ChartProps): JSX.Element {
  const { t, language, theme, link } = usePage();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const data = columnsOf(
    points,
    series.map(({ read }) => read),
    stepS,
  ) as uPlot.AlignedData;

  // Colours and language are read when it is built.
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const built = new uPlot(optionsFor(element, series, format, steps, language), data, element);
    plot.current = built;
    const resized = new ResizeObserver(() => built.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      built.destroy();
      plot.current = undefined;
    };
  }, [theme, language]);
  useEffect(() => plot.current?.setData(data), [data]);

  const last = points.at(-1);
  const newest = series.map(({ name, read }) => ({ name, text: format(last === undefined ? null : read(last), language) }));
  const values = newest.map(({ name, text }) => `${name} ${text === UNKNOWN ? t("unknown") : text}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {newest.map(({ name, text }, i) => (
            <li key={name}>
              <svg class={`line line-${i}`} viewBox="0 0 24 4" width="24" height="4" aria-hidden="true">
                <path d="M0 2h24" stroke-dasharray={DASHES[i]?.join(" ") ?? ""} />
              </svg>
              {name}{" "}
              <b>
                <Figure text={text} />
              </b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={t("chartSummary", { title, values })} />
      <details>
        <summary>{t("asTable")}</summary>
        <Table label={title} head={[t("timeHead"), ...series.map(({ name }) => name)]}>
          {sampledRows(points, ROW_MINUTES).map((point) => (
            <tr key={point.atMs}>
              <th scope="row">{time(point.atMs, link.nowMs, language)}</th>
              {series.map(({ name, read }) => (
                <td key={name} class="figure">
                  <Figure text={format(read(point), language)} />
                </td>
              ))}
            </tr>
          ))}
        </Table>
      </details>
    </figure>
  );
}

function optionsFor(
  element: HTMLElement,
  series: readonly Series[],
  format: ChartProps["format"],
  steps: number[] | undefined,
  language: string,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 } },
    scales: {
      x: { range: (_plot, min, max) => shownSpan(min, max) },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 28, values: (_plot, splits) => splits.map((seconds) => clock.format(seconds * 1000)) },
      {
        ...axis,
        size: 68,
        ...(steps === undefined ? {} : { incrs: steps }),
        values: (_plot, splits) => splits.map((value) => format(value, language)),
      },
    ],
    series: [
      {},
      ...series.map(({ name }, i) => ({
        label: name,
        stroke: colour(`--series-${i}`),
        width: 1.5,
        dash: DASHES[i] ?? [],
        points: { show: false },
      })),
    ],
  };
}
