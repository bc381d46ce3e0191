/**
 * The master's answers to a slave that returns: whether and where its replication stream continues there, and the keys that
 * only the slave has changed, written once more.
 */

import { NodeRole, NodeState } from "../../cluster/node.ts";
import { findNode } from "../../cluster/node_map.ts";
import { COPY, parseRejoin, parseRewrite, rejoinLine } from "../../protocol/rejoin.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine, serverErrorLine } from "../../protocol/text/server_error.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { KeyRepair } from "../comparison/key_repair.ts";
import type { NodeComponents } from "../node_components.ts";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "inSync" | "replicator" | "routing" | "storage">;

export class RejoinCommands {
  readonly #parts: Parts;
  readonly #repair: KeyRepair;

  constructor(parts: Parts, repair: KeyRepair) {
    this.#parts = parts;
    this.#repair = repair;
  }

  /** `node rejoin <host> <port> <position>…`: a slave of ours that is not in the in-sync set. */
  rejoin(words: readonly string[], reply: TextReply): void {
    const asked = parseRejoin(words);
    if (asked === undefined) return reply.line(BAD_LINE);
    const { inSync, replicator, routing, storage } = this.#parts;
    const { self } = routing;
    const key = `${asked.host}:${asked.port}`;
    const slave = findNode(routing.nodeMap, key);
    const isMaster = self?.role === NodeRole.master && self.state === NodeState.active;
    const isOurs = isMaster && slave?.role === NodeRole.slave && slave.partition === self.partition;
    if (!isOurs) return reply.line(serverErrorLine(`"${key}" is not a slave of this node`));
    if (inSync.isMember(slave)) return reply.line(`${COPY} it is in the in-sync set`);
    const common = storage.commonState(asked.positions);
    const cursor = common === undefined ? undefined : storage.readLog(common.at + 1);
    if (common === undefined || cursor?.isThere !== true) {
      replicator.streams.reopen(slave);
      const why = common === undefined ? "nothing is known to be the same here" : "the change log does not reach back so far";
      return reply.line(`${COPY} ${why}`);
    }
    inSync.copyBegins(key);
    replicator.streams.reopen(slave, cursor);
    const { history, sequence } = common;
    reply.line(rejoinLine({ id: storage.history, history, sequence, next: cursor.next }));
  }

  /** `node rewrite <partition>/<partitions> <key>:<digest>…`. */
  async rewrite(words: readonly string[], reply: TextReply): Promise<void> {
    const asked = parseRewrite(words);
    if (asked === undefined) return reply.line(BAD_LINE);
    try {
      await this.#repair.rewriteAll(asked);
      reply.line("OK");
    } catch (error) {
      reply.line(faultLine(error));
    }
  }
}
