/**
 * Metrics as text, read by a strict reader.
 *
 * Covers lib/stats/metrics/metric.ts and lib/stats/metrics/metrics_route.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { METRIC_TYPES, metricFormat, renderMetrics } from "../../../../lib/stats/metrics/exposition.ts";
import { type Metric, metric } from "../../../../lib/stats/metrics/metric.ts";
import { metricsRoute } from "../../../../lib/stats/metrics/metrics_route.ts";
import { parseMetrics } from "../../../support/metrics_text.ts";

interface Source {
  readonly size: number | undefined;
}

const METRICS: readonly Metric<Source>[] = [
  metric("a_total", "counter", "How many\n\\ there were", () => 3),
  metric("a_size", "gauge", "How large", ({ size }) => size),
  metric("a_big", "gauge", "Above all safe integers", () => 18446744073709551615n),
  {
    name: "a_place",
    kind: "gauge",
    help: "Where",
    labels: ["host", "note"],
    read: (_, put) => {
      put(Number.POSITIVE_INFINITY, "h:1", 'a "b" \\ c\nd');
      put(Number.NEGATIVE_INFINITY, "h:2", "");
      put(undefined, "h:3", "");
    },
  },
  {
    name: "a_seconds",
    kind: "histogram",
    help: "How long",
    labels: ["command"],
    read: (_, put) => put({ bounds: [0.001, 1, 2.5], counts: Float64Array.of(1, 0, 2, 4), sum: 40.5 }, "get"),
  },
];

describe("metrics as text", () => {
  it("escape a quote in the help for OpenMetrics alone", () => {
    const quoted = [metric<Source>("a_size", "gauge", 'How "large"', () => 1)];
    assert(renderMetrics(quoted, { size: 1 }, "prometheus").startsWith('# HELP a_size How "large"\n'));
    assert(renderMetrics(quoted, { size: 1 }, "openmetrics").startsWith('# HELP a_size How \\"large\\"\n'));
  });

  it("are what Prometheus reads", () => {
    assertEquals(
      renderMetrics(METRICS, { size: 1.5 }, "prometheus"),
      `# HELP a_total How many\\n\\\\ there were
# TYPE a_total counter
a_total 3
# HELP a_size How large
# TYPE a_size gauge
a_size 1.5
# HELP a_big Above all safe integers
# TYPE a_big gauge
a_big 18446744073709551615
# HELP a_place Where
# TYPE a_place gauge
a_place{host="h:1",note="a \\"b\\" \\\\ c\\nd"} +Inf
a_place{host="h:2",note=""} -Inf
# HELP a_seconds How long
# TYPE a_seconds histogram
a_seconds_bucket{command="get",le="0.001"} 1
a_seconds_bucket{command="get",le="1.0"} 1
a_seconds_bucket{command="get",le="2.5"} 3
a_seconds_bucket{command="get",le="+Inf"} 7
a_seconds_sum{command="get"} 40.5
a_seconds_count{command="get"} 7
`,
    );
  });

  it("are what OpenMetrics says", () => {
    const text = renderMetrics(METRICS, { size: 1.5 }, "openmetrics");
    assert(text.includes("# TYPE a counter\na_total 3\n"));
    assert(text.endsWith("\n# EOF\n"));
  });

  it("are read back as they were by a strict reader, in both formats", () => {
    for (const format of ["prometheus", "openmetrics"] as const) {
      const parsed = parseMetrics(renderMetrics(METRICS, { size: 2 }, format), format);
      assertEquals(parsed.size, METRICS.length);
      assertEquals(parsed.get("a_size")?.samples[0]?.value, 2);
      assertEquals(parsed.get("a_place")?.samples[0]?.labels.get("note"), 'a "b" \\ c\nd');
      assertEquals(parsed.get("a_seconds")?.samples.at(-1)?.value, 7);
    }
  });

  it("leave out what has no value", () => {
    const parsed = parseMetrics(renderMetrics(METRICS, { size: undefined }, "prometheus"), "prometheus");
    assertEquals(parsed.has("a_size"), false);
  });

  it("come in the format that the client prefers", () => {
    const plain = [
      null,
      "",
      "*/*",
      "text/plain",
      "application/json",
      "application/openmetrics-text;version=2.0.0",
      "text/html,*/*;q=0.8",
    ];
    for (const accept of plain) assertEquals(metricFormat(accept), "prometheus", String(accept));
    const open = [
      "application/openmetrics-text",
      // As Prometheus asks.
      [
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4",
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      ].join(),
      "Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8",
    ];
    for (const accept of open) assertEquals(metricFormat(accept), "openmetrics", accept);
    assertEquals(metricFormat("application/openmetrics-text;q=0.2,text/plain;q=0.9"), "prometheus");
    assertEquals(metricFormat("application/openmetrics-text;q=0"), "prometheus");
    assertEquals(metricFormat("application/openmetrics-text;q=x"), "prometheus");
  });

  it("are at a path, once there are any", async () => {
    const client = { peer: "192.0.2.1:5", user: undefined, certificateName: undefined };
    let size: number | undefined;
    const handler = metricsRoute(METRICS, () => (size === undefined ? undefined : { size }))["/metrics"];
    const ask = async (accept: string): Promise<Response> =>
      (await handler?.(new Request("http://localhost/metrics", { headers: { accept } }), client, new Uint8Array())) as Response;
    assertEquals((await ask("*/*")).status, 503);
    size = 4;
    for (const [accept, format] of [
      ["text/plain", "prometheus"],
      ["application/openmetrics-text", "openmetrics"],
    ] as const) {
      const response = await ask(accept);
      assertEquals([response.status, response.headers.get("content-type")], [200, METRIC_TYPES[format]]);
      assertEquals(parseMetrics(await response.text(), format).get("a_size")?.samples[0]?.value, 4);
    }
  });
});

describe("the reader of metrics", () => {
  it("takes nothing that the formats do not allow", () => {
    const head = "# HELP a b\n# TYPE a gauge\n";
    const wrong = [
      "a 1\n",
      `${head}`,
      `${head}a 1`,
      `${head}a 1 \n`,
      `${head}a one\n`,
      `${head}b 1\n`,
      `${head}a 1\na 2\n`,
      `${head}a{b="c",} 1\n`,
      `${head}a{b="c"d} 1\n`,
      `${head}a{b="\\x"} 1\n`,
      `${head}a 1\n${head}a 1\n`,
      '# HELP a b\n# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      '# HELP a b\n# TYPE a histogram\na_bucket{le="1.0"} 1\na_sum 1\na_count 1\n',
      '# HELP a b\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n',
      "# HELP a_total b\n# TYPE a_total counter\na_total -1\n",
    ];
    for (const text of wrong) assertThrows(() => parseMetrics(text, "prometheus"), Error, "", text);
    assertThrows(() => parseMetrics(`${head}a 1\n`, "openmetrics"));
    assertThrows(() => parseMetrics("# HELP a_total b\n# TYPE a_total counter\na_total 1\n# EOF\n", "openmetrics"));
  });
});
