/**
 * Reads metrics as strictly as their formats say: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0. Written from the
 * specifications, without a look at what writes them.
 */

/** One line of a metric. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** A metric with its samples. */
export interface ParsedMetric {
  readonly family: string;
  readonly kind: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const HELP = /^(?:[^\\"]|\\[\\n"])*$/;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

/** The metrics of a text by their families. @throws Error naming the line that the format does not allow */
export function parseMetrics(text: string, format: "prometheus" | "openmetrics"): Map<string, ParsedMetric> {
  const isOpen = format === "openmetrics";
  if (!text.endsWith(isOpen ? "\n# EOF\n" : "\n")) throw new Error(`the text ends with ${JSON.stringify(text.slice(-20))}`);
  const lines = text.split("\n").slice(0, isOpen ? -2 : -1);
  const metrics = new Map<string, ParsedMetric & { samples: ParsedSample[] }>();
  let current: (ParsedMetric & { samples: ParsedSample[] }) | undefined;
  let help: [name: string, text: string] | undefined;
  const seen = new Set<string>();
  for (const line of lines) {
    const wrong = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line.startsWith("# HELP ")) {
      const [name = "", ...words] = line.slice("# HELP ".length).split(" ");
      if (!NAME.test(name) || metrics.has(name) || !HELP.test(words.join(" "))) wrong("not a help");
      help = [name, words.join(" ")];
    } else if (line.startsWith("# TYPE ")) {
      const [name = "", kind = "", ...rest] = line.slice("# TYPE ".length).split(" ");
      if (rest.length > 0 || SUFFIXES[kind] === undefined || help?.[0] !== name || metrics.has(name)) wrong("not a type");
      current = { family: name, kind, help: help?.[1] ?? "", samples: [] };
      metrics.set(name, current);
      help = undefined;
    } else {
      const [, name = "", labelText, digits = ""] = SAMPLE.exec(line) ?? wrong("no sample");
      if (current === undefined) return wrong("a sample without its type");
      const { family, kind, samples } = current;
      // In Prometheus' format the suffix of a counter is a part of its name.
      const suffixes = kind === "counter" && !isOpen ? [""] : (SUFFIXES[kind] ?? []);
      if (!suffixes.some((suffix) => name === family + suffix)) wrong(`not of ${kind} ${family}`);
      if (!NUMBER.test(digits)) wrong("not a number");
      const labels = parseLabels(labelText ?? "", wrong);
      const value = digits.endsWith("Inf") ? Number(`${digits}inity`) : Number(digits);
      const key = `${name} ${JSON.stringify([...labels].sort())}`;
      if (seen.has(key)) wrong("there is this sample already");
      seen.add(key);
      if (kind !== "gauge" && !(value >= 0)) wrong("negative");
      samples.push({ name, labels, value });
    }
  }
  for (const metric of metrics.values()) {
    if (metric.samples.length === 0) throw new Error(`${metric.family} has no samples`);
    if (metric.kind === "histogram") checkHistogram(metric);
  }
  return metrics;
}

function parseLabels(text: string, wrong: (why: string) => never): Map<string, string> {
  const labels = new Map<string, string>();
  for (let rest = text; rest !== ""; ) {
    const found = LABEL.exec(rest) ?? wrong("not a label");
    const [all, name = "", value = ""] = found;
    if (labels.has(name) || name.startsWith("__")) wrong("a label twice, or a reserved one");
    labels.set(
      name,
      value.replaceAll(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter)),
    );
    rest = rest.slice(all.length);
    if (all.endsWith(",") && rest === "") wrong("a comma at the end");
  }
  return labels;
}

/** Buckets cumulate and end with the infinite one, which is the count. */
function checkHistogram({ family, samples }: ParsedMetric): void {
  const groups = new Map<string, { les: number[]; buckets: number[]; sum?: number; count?: number }>();
  for (const { name, labels, value } of samples) {
    const own = [...labels].filter(([label]) => label !== "le");
    const key = JSON.stringify(own);
    const group = groups.get(key) ?? { les: [], buckets: [] };
    groups.set(key, group);
    if (name === `${family}_sum`) group.sum = value;
    else if (name === `${family}_count`) group.count = value;
    else {
      const le = labels.get("le") ?? "";
      group.les.push(le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le));
      group.buckets.push(value);
    }
  }
  for (const { les, buckets, sum, count } of groups.values()) {
    const ascends = les.every((le, at) => at === 0 || le > (les[at - 1] as number));
    const cumulates = buckets.every((value, at) => at === 0 || value >= (buckets[at - 1] as number));
    if (!ascends || les.at(-1) !== Number.POSITIVE_INFINITY || !cumulates) throw new Error(`${family}: its buckets are wrong`);
    if (count === undefined || sum === undefined || buckets.at(-1) !== count) throw new Error(`${family}: its count is wrong`);
    if ((count === 0) !== (sum === 0)) throw new Error(`${family}: its sum is wrong`);
  }
}
