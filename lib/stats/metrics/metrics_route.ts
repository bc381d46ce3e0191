/** `/metrics`: the metrics of a server, read at the moment of the request. */

import { type HttpHandler, textResponse } from "../../net/http/http_handler.ts";
import { METRIC_TYPES, metricFormat, renderMetrics } from "./exposition.ts";
import type { Metric } from "./metric.ts";

/** The handler of the path; `source` gives what the metrics read, undefined while the server has none of it yet. */
export function metricsRoute<Source>(
  metrics: readonly Metric<Source>[],
  source: () => Source | undefined,
): Readonly<Record<string, HttpHandler>> {
  return {
    "/metrics": async (request) => {
      const current = source();
      if (current === undefined) return textResponse(503, "there are no metrics yet: see /readyz\n");
      const format = metricFormat(request.headers.get("accept"));
      const headers = { "content-type": METRIC_TYPES[format], vary: "accept" };
      return textResponse(200, renderMetrics(metrics, current, format), headers);
    },
  };
}
