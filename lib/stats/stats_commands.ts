/** The parts of `stats`, `kill` and `verbosity` that both daemons share. */

import { FlareError } from "../base/errors.ts";
import { roleName, stateName } from "../cluster/node.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import type { DaemonTls } from "../net/tls/daemon_tls.ts";
import type { Worker, WorkerRegistry } from "../net/worker.ts";
import { WorkerType } from "../net/worker.ts";
import { BAD_LINE } from "../protocol/text/refusal_lines.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";

/** `stats nodes`. */
export function statsNodes(map: NodeMap, reply: TextReply): void {
  for (const node of map.nodes) {
    reply.stat(`${node.key}:role`, roleName(node.role));
    reply.stat(`${node.key}:state`, stateName(node.state));
    reply.stat(`${node.key}:partition`, String(node.partition));
    reply.stat(`${node.key}:balance`, node.balance);
    reply.stat(`${node.key}:thread_type`, node.threadType);
  }
  reply.end();
}

/**
 * `stats threads [request|slave|queue]`; `slaveTypes` are the types of connections to own slaves.
 */
export function statsThreads(
  words: readonly string[],
  workers: WorkerRegistry,
  slaveTypes: ReadonlySet<number>,
  nowMs: number,
  reply: TextReply,
): void {
  const [which] = words;
  if (which === "queue") {
    reply.stat("total_thread_queue", workers.totalQueue);
    return reply.end();
  }
  if (which !== undefined && which !== "request" && which !== "slave") return reply.line("ERROR");
  for (const worker of workers.list()) {
    if (which === "request" && worker.type !== WorkerType.request) continue;
    if (which === "slave" && !slaveTypes.has(worker.type)) continue;
    statsWorker(worker, nowMs, reply);
  }
  reply.end();
}

function statsWorker(worker: Worker, nowMs: number, reply: TextReply): void {
  reply.stat(`${worker.id}:type`, worker.type);
  reply.stat(`${worker.id}:peer`, worker.peer);
  reply.stat(`${worker.id}:op`, worker.operation);
  reply.stat(`${worker.id}:uptime`, Math.floor((nowMs - worker.startedMs) / 1000));
  reply.stat(`${worker.id}:state`, worker.state);
  reply.stat(`${worker.id}:info`, worker.info ?? "");
  reply.stat(`${worker.id}:queue`, worker.queue);
  reply.stat(`${worker.id}:behind`, worker.behindSeconds);
}

/** `kill <id>`: the answer line. */
export function killWorker(words: readonly string[], workers: WorkerRegistry): string {
  const [id] = words;
  if (words.length !== 1 || id === undefined || !/^-?\d{1,20}$/.test(id)) return "ERROR";
  return workers.kill(Number(id)) ? "OK" : "CLIENT_ERROR thread not found";
}

/**
 * `refresh_certs [noreply]`: the answer line, undefined = none. As in memcached, errors are always answered, and are not a
 * `SERVER_ERROR`.
 */
export async function refreshCertificates(words: readonly string[], tls: DaemonTls): Promise<string | undefined> {
  if (!tls.enabled) return "Error TLS not enabled";
  try {
    await tls.renew();
    return words.includes("noreply") ? undefined : "OK";
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    return `Error ${error.message}`;
  }
}

/** `verbosity <level> [noreply]`: the answer line, undefined = none. memcached's answers; the level changes nothing. */
export function verbosity(words: readonly string[]): string | undefined {
  const [level] = words;
  if (level === undefined) return BAD_LINE;
  if (words.length > 2) return "ERROR";
  if (words.at(-1) === "noreply") return undefined;
  return /^\d{1,10}$/.test(level) ? "OK" : BAD_LINE;
}
