/** `stats slow`: requests that took long, as lines; and what somebody else makes of the lines. Pure. */

import { uriCode, uriDecoded, uriEncoded } from "../base/uri_bytes.ts";
import type { SlowRequest, SlowRequests } from "../net/connection/slow_requests.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import type { StatSink } from "./stat_sink.ts";

/** What a node says of its slow requests. */
export interface SlowReport {
  /** Requests that take this long are slow, in milliseconds; 0 = none is. */
  readonly thresholdMs: number;
  /** How many there have been since the start, or `stats reset`. */
  readonly count: number;
  /** The newest of them, the newest one first. */
  readonly requests: readonly SlowRequest[];
}

/** The lines, the newest request first; a field that is not known is left out. */
export function statsSlow(slow: Pick<SlowRequests, "count" | "limits" | "newest">, reply: StatSink): void {
  reply.stat("threshold_ms", slow.limits.slowLogMs);
  reply.stat("count", slow.count);
  for (const {
    id,
    atMs,
    ms,
    client,
    isOfNode,
    command,
    requests,
    key,
    keyBytes,
    bytes,
    waitedFor,
  } of slow.newest.toReversed()) {
    reply.stat(`${id}:time_ms`, atMs);
    reply.stat(`${id}:took_ms`, String(Math.round(ms * 10) / 10));
    reply.stat(`${id}:command`, command);
    if (key !== undefined) {
      reply.stat(`${id}:key`, uriEncoded(key));
      reply.stat(`${id}:key_bytes`, keyBytes);
    }
    if (bytes !== undefined) reply.stat(`${id}:bytes`, bytes);
    reply.stat(`${id}:requests`, requests);
    if (waitedFor !== undefined) reply.stat(`${id}:waited_for`, waitedFor);
    reply.stat(`${id}:client`, client.replace(/\s/g, uriCode));
    reply.stat(`${id}:of_node`, isOfNode ? "yes" : "no");
  }
}

/** What the lines of a node say; undefined if they are those of somebody else. */
export function slowReportOf(figures: Figures): SlowReport | undefined {
  const number = (name: string): number => {
    const value = Number(figures.get(name) ?? Number.NaN);
    return value >= 0 ? value : Number.NaN;
  };
  const requests: SlowRequest[] = [];
  for (const [name, command] of figures) {
    const [, digits] = /^(\d+):command$/.exec(name) ?? [];
    if (digits === undefined) continue;
    const text = (field: string): string | undefined => figures.get(`${digits}:${field}`);
    const keyText = text("key");
    const key = keyText === undefined ? undefined : uriDecoded(keyText);
    const bytes = text("bytes") === undefined ? undefined : number(`${digits}:bytes`);
    const known = {
      id: Number(digits),
      atMs: number(`${digits}:time_ms`),
      ms: number(`${digits}:took_ms`),
      requests: number(`${digits}:requests`),
      keyBytes: keyText === undefined ? 0 : number(`${digits}:key_bytes`),
    };
    const isOdd = [...Object.values(known), bytes ?? 0].some(Number.isNaN);
    if (isOdd || (keyText !== undefined && key === undefined)) return undefined;
    const isOfNode = text("of_node") === "yes";
    requests.push({ ...known, client: text("client") ?? "", isOfNode, command, key, bytes, waitedFor: text("waited_for") });
  }
  const [thresholdMs, count] = [number("threshold_ms"), number("count")];
  if (Number.isNaN(thresholdMs) || Number.isNaN(count)) return undefined;
  return { thresholdMs, count, requests };
}
