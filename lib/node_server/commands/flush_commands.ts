/**
 * `flush_all` of clients, which flushes the whole cluster, and its node-local form for nodes and operators; `node flush`, with
 * which our own nodes pass flushes on. Errors in requests get memcached's texts.
 */

import { FlareError } from "../../base/errors.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { type FlushScope, type FlushTime, flushPlanLine, parseFlush, parseFlushTime } from "../../protocol/flush_request.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_EXPTIME } from "../../protocol/text/refusal_lines.ts";
import { faultLine, serverErrorText } from "../../protocol/text/server_error.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { type ClusterFlush, describe } from "../flush/cluster_flush.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";

/** Why the second request of a connection can be refused. */
const AMBIGUOUS =
  'CLIENT_ERROR "version" and then "flush_all" is how flare-tools empty one node: say "flush_all 0" to empty the cluster';

const NO_DELAY = "CLIENT_ERROR a flush of one node knows no delay";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "otherCluster" | "partitionFlush" | "routing" | "runtime" | "stats" | "storage" | "watchers">;

export class FlushCommands {
  readonly #parts: Parts;
  readonly #cluster: ClusterFlush;
  readonly #restartCopy: () => void;
  readonly #startedSeconds: number;
  /** Connections whose first request was `version`. */
  readonly #greeted = new WeakSet<ClientSession>();

  /** @param restartCopy restarts the running copy: the sources have flushed what it has copied so far */
  constructor(parts: Parts, cluster: ClusterFlush, restartCopy: () => void) {
    this.#parts = parts;
    this.#cluster = cluster;
    this.#restartCopy = restartCopy;
    this.#startedSeconds = nowSeconds(parts);
  }

  /** Must be called for each `version`. */
  onVersion(session: ClientSession): void {
    if (session.requests === 1) this.#greeted.add(session);
  }

  /** `flush_all [<delay>] [noreply]`, or the same as a packet. */
  flushAll(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const words = request.opcode >= 0 ? [String(request.exptime)] : request.words;
    const noreply = words.at(-1) === "noreply";
    if (words.length > 2) return reply.line("ERROR");
    const { stats, watchers } = this.#parts;
    stats.cmdFlush++;
    const word = words.length === 1 && (noreply || words[0] === "async") ? "0" : (words[0] ?? "0");
    const time = parseFlushTime(word, nowSeconds(this.#parts), this.#startedSeconds);
    if (time === undefined) return noreply ? undefined : reply.line(BAD_EXPTIME);
    const isLocal = request.prefix !== undefined || session.isAdmin;
    if (isLocal && time !== "now") return noreply ? undefined : reply.line(NO_DELAY);
    // The original's tools send this to empty a node before it gets a role. As a client's flush it would delete all data.
    if (!isLocal && words.length === 0 && session.requests === 2 && this.#greeted.has(session)) return reply.line(AMBIGUOUS);
    watchers.happened("type=flush_all");
    if (isLocal || this.#isAllHere) return this.#flushHere(time, noreply, reply);
    return this.#flushCluster(time, noreply, reply);
  }

  /** `node flush [now|none|<second> node|partition|cluster]`. */
  nodeFlush(words: readonly string[], reply: TextReply): void | Promise<void> {
    const asked = parseFlush(words);
    if (asked === undefined) return reply.line("ERROR");
    if (asked === "query") return reply.line(flushPlanLine(this.#parts.storage.flushPlannedFor));
    return this.#nodeFlush(asked, reply);
  }

  /** Whether this node alone has all data. */
  get #isAllHere(): boolean {
    const { routing, otherCluster, partitionFlush } = this.#parts;
    const isOnly = otherCluster.node === undefined && routing.partitionMap.active.length === 1;
    return isOnly && partitionFlush.isMaster && partitionFlush.replicas.length === 0;
  }

  #flushHere(time: FlushTime, noreply: boolean, reply: TextReply): void {
    try {
      this.#parts.partitionFlush.apply(time);
    } catch (error) {
      return reply.line(faultLine(error));
    }
    if (noreply) return;
    const start = reply.segment.length;
    reply.line("OK");
    reply.markUncommitted(start);
  }

  async #flushCluster(time: FlushTime, noreply: boolean, reply: TextReply): Promise<void> {
    try {
      await this.#cluster.run(time);
      if (!noreply) reply.line("OK");
    } catch (error) {
      const line = faultLine(error);
      this.#parts.runtime.log.write("warning", serverErrorText(line));
      if (!noreply) reply.line(line);
    }
  }

  async #nodeFlush({ time, scope }: { time: FlushTime; scope: FlushScope }, reply: TextReply): Promise<void> {
    const { partitionFlush, otherCluster } = this.#parts;
    try {
      if (scope === "node") {
        await partitionFlush.applyHere(time);
        if (time === "now") this.#restartCopy();
      } else if (scope === "partition") {
        const faults = await partitionFlush.carryOut(time);
        if (faults.length > 0)
          throw new FlareError("REFUSED", faults.map(({ node, reason }) => describe(node, reason)).join(", "));
      } else {
        if (otherCluster.node !== undefined) throw new FlareError("REFUSED", "this cluster forwards to another one itself");
        await this.#cluster.run(time);
      }
      reply.line("OK");
    } catch (error) {
      reply.line(faultLine(error));
    }
  }
}
