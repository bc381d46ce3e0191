/** What a load has measured, as lines for people and as data. Pure. */

import type { LoadOptions } from "./load_options.ts";
import type { LoadLatencies, LoadResult } from "./run_load.ts";

/** From this share of a core on, the program that makes the load is what limits it. */
const OWN_CPU_MAX = 0.9;
const MILLISECONDS = 1000;
const MICROSECONDS = 1e6;

/** The lines. */
export function loadLines(options: LoadOptions, result: LoadResult): string[] {
  const { seconds, requests, gets, sets, keysRead, misses, latencyUs, wrong, errors, broken } = result;
  const rate = (count: number): string => `${Math.round(count / seconds)}/s`;
  const keysOfGets = options.keysPerGet === 1 ? "" : `, ${rate(keysRead)} keys`;
  const found = keysRead === 0 ? "" : `; ${misses} of ${keysRead} keys not found`;
  return [
    loadText(options),
    `requests  ${rate(requests)}: ${rate(gets)} gets${keysOfGets}, ${rate(sets)} sets, in ${seconds.toFixed(1)} s${found}`,
    latencyUs === undefined ? "latency   unknown: there was no reply" : `latency   ${latencyText(latencyUs)}`,
    `replies   ${wrong} wrong, ${errors} errors, ${broken} broken connections`,
    ...result.samples.map((sample) => `          ${JSON.stringify(sample)}`),
    ...result.servers.map(({ pid, cpuSeconds }) => {
      const each = requests === 0 ? "" : `, ${((cpuSeconds * MICROSECONDS) / requests).toFixed(2)} µs per request`;
      return `cpu       server ${pid}: ${share(cpuSeconds / seconds)} of a core${each}`;
    }),
    `cpu       this program: ${share(result.ownCpu)} of a core`,
    ...loadWarnings(options, result).map((warning) => `warning: ${warning}`),
  ];
}

/** What has to be known to read the figures. */
export function loadWarnings({ pids }: LoadOptions, { ownCpu, misses, isInterrupted }: LoadResult): string[] {
  const perRequest = pids.length > 0 ? "the servers' CPU time per request" : "the servers' CPU time per request (--pids)";
  return [
    ...(ownCpu < OWN_CPU_MAX
      ? []
      : [`this program used ${share(ownCpu)} of a core: it is the limit, not the servers; read ${perRequest}, or run several`]),
    ...(misses === 0 ? [] : ["keys that were stored were not found: the servers forget items, their memory may be full"]),
    ...(isInterrupted ? ["interrupted: the figures are those of a shorter time"] : []),
  ];
}

/** A load and its result as data. */
export function loadRecord(options: LoadOptions, result: LoadResult): Record<string, unknown> {
  const { servers, ...rest } = result;
  const { requests, seconds } = result;
  return {
    load: { ...options, servers: options.servers.map(({ host, port }) => `${host}:${port}`) },
    requestsPerSecond: requests / seconds,
    ...rest,
    latencyUs: result.latencyUs ?? null,
    servers: servers.map((server) => ({
      ...server,
      cpuUsPerRequest: requests === 0 ? null : (server.cpuSeconds * MICROSECONDS) / requests,
    })),
    warnings: loadWarnings(options, result),
  };
}

function loadText({ servers, connections, depth, valueBytes, getPercent, keysPerGet, keys }: LoadOptions): string {
  const where = servers.length === 1 ? "1 server" : `${servers.length} servers`;
  const gets = keysPerGet === 1 ? "gets" : `gets of ${keysPerGet} keys`;
  const load = `${connections} connections with ${depth} under way each, ${getPercent} % ${gets}, else sets`;
  return `${where}, ${load}; ${keys} keys with values of ${valueBytes} bytes`;
}

function latencyText({ mean, p50, p90, p99, p999, max }: LoadLatencies): string {
  const named = { mean, p50, p90, p99, "p99.9": p999, max };
  return `${Object.entries(named)
    .map(([name, us]) => `${name} ${(us / MILLISECONDS).toFixed(3)}`)
    .join(", ")} ms`;
}

function share(part: number): string {
  return `${Math.round(part * 100)} %`;
}
