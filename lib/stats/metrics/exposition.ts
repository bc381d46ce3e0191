/**
 * Metrics as text: Prometheus' format 0.0.4, and OpenMetrics 1.0.0 for clients that prefer it. A page of code instead of a
 * library: `prom-client` and its like keep their own counters, which would count everything a second time, and could not be set
 * to ours. Pure.
 */

import type { HistogramView, Metric, PutSample } from "./metric.ts";

/** The formats. */
export type MetricFormat = "prometheus" | "openmetrics";

/** The media types of the formats. */
export const METRIC_TYPES: Readonly<Record<MetricFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The characters that `escapeQuoted` escapes. */
const SPECIAL = /["\\\n]/;

/** The metrics of a source as text; one without samples is left out. */
export function renderMetrics<Source>(metrics: readonly Metric<Source>[], source: Source, format: MetricFormat): string {
  const isOpen = format === "openmetrics";
  const lines: string[] = [];
  for (const { name, kind, help, labels, read } of metrics) {
    const head = lines.length;
    // OpenMetrics names the family of a counter without the suffix of its samples.
    const family = isOpen && kind === "counter" ? name.replace(/_total$/, "") : name;
    lines.push(`# HELP ${family} ${isOpen ? escapeQuoted(help) : escapeHelp(help)}`, `# TYPE ${family} ${kind}`);
    const opened = labels.map((label, at) => `${at === 0 ? "" : '",'}${label}="`);
    const put: PutSample = (value, ...values) => {
      if (value === undefined) return;
      let pairs = "";
      for (let at = 0; at < opened.length; at++) pairs += opened[at] + escapeQuoted(values[at] ?? "");
      if (opened.length > 0) pairs += '"';
      if (typeof value === "object") putHistogram(lines, name, pairs, value);
      else lines.push(`${name}${braced(pairs)} ${numberText(value)}`);
    };
    read(source, put);
    if (lines.length === head + 2) lines.length = head;
  }
  if (isOpen) lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

/** The format for a client, by its `Accept` header (RFC 9110): OpenMetrics only for those who prefer it. */
export function metricFormat(accept: string | null): MetricFormat {
  if (accept === null) return "prometheus";
  let [open, plain] = [0, 0];
  for (const part of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = part.split(";").map((word) => word.trim());
    const quality = Number(parameters.find((word) => word.startsWith("q="))?.slice(2) ?? 1);
    const version = parameters.find((word) => word.startsWith("version="))?.slice("version=".length);
    if (!(quality >= 0 && quality <= 1)) continue;
    if (type === "application/openmetrics-text" && (version === undefined || version === "1.0.0"))
      open = Math.max(open, quality);
    if (["text/plain", "text/*", "*/*"].includes(type)) plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain ? "openmetrics" : "prometheus";
}

function putHistogram(lines: string[], name: string, pairs: string, { bounds, counts, sum }: HistogramView): void {
  let total = 0;
  for (let i = 0; i <= bounds.length; i++) {
    total += counts[i] ?? 0;
    const bound = bounds[i];
    const le = bound === undefined ? "+Inf" : Number.isInteger(bound) ? `${bound}.0` : String(bound);
    lines.push(`${name}_bucket{${pairs}${pairs === "" ? "" : ","}le="${le}"} ${total}`);
  }
  lines.push(`${name}_sum${braced(pairs)} ${numberText(sum)}`, `${name}_count${braced(pairs)} ${total}`);
}

function braced(pairs: string): string {
  return pairs === "" ? "" : `{${pairs}}`;
}

function numberText(value: number | bigint): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

/** The value of a label, and the help of OpenMetrics. */
function escapeQuoted(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** The help of Prometheus' format, in which a quote stands for itself. */
function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
