/**
 * The general `stats`: names, order and spelling of the original, for both daemons. Values that a daemon does not have are 0.
 * Further lines may follow: the caller ends the reply.
 */

import type { Uint64 } from "../base/uint64.ts";
import type { Server } from "../net/server.ts";
import type { WorkerRegistry } from "../net/worker.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StatSink } from "./stat_sink.ts";

/** The values that do not come from the server. */
export interface StorageFigures {
  readonly currItems: number;
  readonly totalItems: number;
  readonly bytes: number;
  readonly cmdGet: number;
  readonly cmdSet: number;
  readonly getHits: number;
  readonly getMisses: number;
  readonly deleteHits: number;
  readonly deleteMisses: number;
  readonly incrHits: number;
  readonly incrMisses: number;
  readonly decrHits: number;
  readonly decrMisses: number;
  readonly casHits: number;
  readonly casMisses: number;
  readonly casBadval: number;
  readonly touchHits: number;
  readonly touchMisses: number;
  readonly evictions: number;
  readonly limitMaxbytes: number;
  readonly totalConnections: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export function statsGeneral(
  runtime: Runtime,
  server: Server,
  workers: WorkerRegistry,
  startedMs: number,
  version: string,
  nodeMapVersion: Uint64,
  figures: Partial<StorageFigures>,
  reply: StatSink,
): void {
  const { userUs, systemUs } = runtime.process.cpuUsage();
  reply.stat("pid", runtime.process.pid);
  reply.stat("uptime", Math.floor((runtime.clock.monotonicMs() - startedMs) / 1000));
  reply.stat("time", Math.floor(runtime.clock.nowMs() / 1000));
  reply.stat("version", version);
  reply.stat("pointer_size", 64);
  reply.stat("rusage_user", seconds(userUs));
  reply.stat("rusage_system", seconds(systemUs));
  reply.stat("curr_items", figures.currItems ?? 0);
  reply.stat("total_items", figures.totalItems ?? 0);
  reply.stat("bytes", figures.bytes ?? 0);
  reply.stat("curr_connections", server.connections);
  reply.stat("total_connections", figures.totalConnections ?? server.totalConnections);
  reply.stat("connection_structures", 0);
  reply.stat("cmd_get", figures.cmdGet ?? 0);
  reply.stat("cmd_set", figures.cmdSet ?? 0);
  reply.stat("get_hits", figures.getHits ?? 0);
  reply.stat("get_misses", figures.getMisses ?? 0);
  reply.stat("delete_hits", figures.deleteHits ?? 0);
  reply.stat("delete_misses", figures.deleteMisses ?? 0);
  reply.stat("incr_hits", figures.incrHits ?? 0);
  reply.stat("incr_misses", figures.incrMisses ?? 0);
  reply.stat("decr_hits", figures.decrHits ?? 0);
  reply.stat("decr_misses", figures.decrMisses ?? 0);
  reply.stat("cas_hits", figures.casHits ?? 0);
  reply.stat("cas_misses", figures.casMisses ?? 0);
  reply.stat("cas_badval", figures.casBadval ?? 0);
  reply.stat("touch_hits", figures.touchHits ?? 0);
  reply.stat("touch_misses", figures.touchMisses ?? 0);
  if (server.access.hasUsers) {
    reply.stat("auth_cmds", server.access.attempts);
    reply.stat("auth_errors", server.access.failures);
  }
  reply.stat("evictions", figures.evictions ?? 0);
  reply.stat("bytes_read", figures.bytesRead ?? server.traffic.bytesRead);
  reply.stat("bytes_written", figures.bytesWritten ?? server.traffic.bytesWritten);
  reply.stat("limit_maxbytes", figures.limitMaxbytes ?? 0);
  reply.stat("threads", workers.list().length);
  reply.stat("pool_threads", 0);
  reply.stat("node_map_version", nodeMapVersion);
  reply.stat("rejected_http_requests", server.httpRequests);
  if (server.certificatesReadMs !== undefined) {
    reply.stat("ssl_handshake_errors", server.handshakeErrors);
    const ageMs = runtime.clock.monotonicMs() - server.certificatesReadMs;
    reply.stat("time_since_server_cert_refresh", Math.floor(ageMs / 1000));
  }
}

/** `sec.microsec` with six digits. */
function seconds(microseconds: number): string {
  const whole = Math.floor(microseconds / 1000000);
  return `${whole}.${String(Math.floor(microseconds) % 1000000).padStart(6, "0")}`;
}
