/**
 * The metrics that both daemons have: what `stats` says of the process, its connections and refused requests. Names that begin
 * with `memcached_` are those of Prometheus' memcached_exporter, and mean the same.
 */

import type { Readiness } from "../../net/http/health.ts";
import type { Server } from "../../net/server.ts";
import { commandName } from "../../protocol/command.ts";
import type { ProcessInfo } from "../../runtime/runtime.ts";
import type { StatFigures } from "../stat_sink.ts";
import { type Metric, type MetricKind, metric } from "./metric.ts";

/** What these metrics read. */
export interface ServerSource {
  /** The lines of the reports. */
  readonly figures: StatFigures;
  readonly readiness: Readiness;
  readonly server: Pick<
    Server,
    "access" | "handshakeErrors" | "httpRequests" | "loopDelays" | "rejectedConnections" | "times" | "traffic"
  >;
  readonly process: Pick<ProcessInfo, "cpuUsage" | "memoryBytes">;
}

/** A metric that is a line of a report. */
export function fromStat<Source extends Pick<ServerSource, "figures">>(
  name: string,
  kind: MetricKind,
  help: string,
  stat: string,
): Metric<Source> {
  return metric(name, kind, help, ({ figures }) => figures.number(stat));
}

/** The metrics, in the order in which they are shown. */
export const serverMetrics: readonly Metric<ServerSource>[] = [
  metric("memcached_up", "gauge", "Whether the server answers: always 1", () => 1),
  {
    name: "memcached_version",
    kind: "gauge",
    help: "The version of the server",
    labels: ["version"],
    read: ({ figures }, put) => put(1, figures.text("version")),
  },
  fromStat("memcached_uptime_seconds", "gauge", "Seconds since the start", "uptime"),
  fromStat("memcached_time_seconds", "gauge", "The time of the server's wall clock, in seconds since 1970", "time"),
  fromStat("memcached_process_user_cpu_seconds_total", "counter", "CPU time in user mode, of the whole process", "rusage_user"),
  fromStat(
    "memcached_process_system_cpu_seconds_total",
    "counter",
    "CPU time in the system, of the whole process",
    "rusage_system",
  ),
  fromStat(
    "memcached_current_connections",
    "gauge",
    "Open connections, those of HTTP and of other servers included",
    "curr_connections",
  ),
  fromStat("memcached_connections_total", "counter", "Connections accepted", "total_connections"),
  fromStat("memcached_read_bytes_total", "counter", "Bytes received by connections of memcached's protocols", "bytes_read"),
  fromStat("memcached_written_bytes_total", "counter", "Bytes sent by connections of memcached's protocols", "bytes_written"),
  metric("process_cpu_seconds_total", "counter", "CPU time of the whole process", ({ process }) => {
    const { userUs, systemUs } = process.cpuUsage();
    return (userUs + systemUs) / 1e6;
  }),
  metric("process_resident_memory_bytes", "gauge", "Resident memory of the whole process", ({ process }) =>
    process.memoryBytes(),
  ),
  metric("process_start_time_seconds", "gauge", "When the server started, in seconds since 1970", ({ figures }) => {
    return Number(figures.number("time") ?? 0) - Number(figures.number("uptime") ?? 0);
  }),
  metric("flare_ready", "gauge", "Whether /readyz says that the server serves its role", ({ readiness }) =>
    Number(readiness.isReady),
  ),
  fromStat("flare_node_map_version", "gauge", "The version of the node map in use", "node_map_version"),
  {
    name: "flare_refused_total",
    kind: "counter",
    help: "What was refused, by reason: connections at the limit, TLS handshakes, logins, HTTP at another port, request memory",
    labels: ["reason"],
    read: ({ server }, put) => {
      put(server.rejectedConnections, "connection_limit");
      put(server.handshakeErrors, "tls_handshake");
      put(server.access.failures, "login");
      put(server.httpRequests, "http");
      put(server.traffic.noMemory, "request_memory");
    },
  },
  {
    name: "flare_request_seconds",
    kind: "histogram",
    help: "From the arrival of a request until its reply is handed to the socket; of one in 64 chunks of requests",
    labels: ["command"],
    read: ({ server }, put) => {
      for (const [command, times] of server.times.histograms) put(times, commandName(command));
    },
  },
  metric("flare_event_loop_delay_seconds", "histogram", "How late a timer runs that is due every second", ({ server }) => {
    return server.loopDelays;
  }),
  fromStat("flare_certificate_age_seconds", "gauge", "Time since the certificates were read", "time_since_server_cert_refresh"),
];
