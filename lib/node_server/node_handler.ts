/**
 * What every request to a node server passes before its command: watchers are notified, and during a handover, a takeover of
 * keys or a flush of the partition it may have to wait. It knows no commands; `node_command_table.ts` has them.
 */

import type { ClientSession } from "../net/connection/client_session.ts";
import type { ReplyListener, RequestHandler } from "../net/connection/session_host.ts";
import { WaitedFor } from "../net/connection/slow_requests.ts";
import { BinaryReply } from "../protocol/binary/binary_reply.ts";
import { Command, CommandShape, mayWrite, shapeOf } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import type { Gate } from "./life/gate.ts";
import { type CommandGroups, nodeCommandSet, runPacket } from "./node_command_table.ts";
import type { NodeComponents } from "./node_components.ts";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "handover" | "hotKeys" | "partitionFlush" | "replicator" | "watchers">;

export class NodeHandler implements RequestHandler {
  readonly commands = nodeCommandSet.words;
  readonly speaksBinary = true;
  readonly #parts: Parts;
  readonly #takeover: Gate;
  readonly #groups: CommandGroups;

  /** @param takeover holds requests while keys move to a new partition */
  constructor(parts: Parts, takeover: Gate, groups: CommandGroups) {
    this.#parts = parts;
    this.#takeover = takeover;
    this.#groups = groups;
  }

  onCommit(listener: ReplyListener, waitsForReplicas: boolean): void {
    this.#parts.replicator.onCommit(listener, waitsForReplicas);
  }

  get version(): string {
    return this.#groups.admin.versionText;
  }

  isPrivileged(request: Request): boolean {
    return nodeCommandSet.isPrivileged(request);
  }

  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { hotKeys } = this.#parts;
    if (hotKeys.isDue()) hotKeys.sample(request);
    return this.#watched(request, reply, session);
  }

  #watched(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { watchers } = this.#parts;
    if (watchers.kinds === 0) return this.#handle(request, reply, session);
    watchers.enter(session.id);
    if (request.command === Command.delete || request.command === Command.md) watchers.beforeDeletion(request.mutation.key);
    try {
      return this.#handle(request, reply, session);
    } finally {
      watchers.leave();
    }
  }

  #handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { handover, partitionFlush } = this.#parts;
    const takeover = this.#takeover;
    const shape = shapeOf(request.command);
    const hasKey = shape !== CommandShape.words && shape !== CommandShape.block;
    const writesItem = hasKey && mayWrite(request.command);
    if (partitionFlush.isNear) partitionFlush.check();
    if (handover.holding && hasKey) return this.#hold(handover, WaitedFor.handover, request, reply, session);
    // What a new partition waits for must not wait itself.
    if (takeover.holding && hasKey && request.prefix === undefined)
      return this.#hold(takeover, WaitedFor.takeover, request, reply, session);
    if (partitionFlush.holding && writesItem) return this.#hold(partitionFlush, WaitedFor.flush, request, reply, session);
    const waiting =
      request.opcode < 0 || hasKey
        ? nodeCommandSet.run(this.#groups, request, reply, session)
        : runPacket(this.#groups, request, new BinaryReply(reply.segment, request), session);
    return waiting !== undefined && writesItem ? handover.track(waiting) : waiting;
  }

  async #hold(
    gate: { over: Promise<void> },
    waitsFor: string,
    request: Request,
    reply: TextReply,
    session: ClientSession,
  ): Promise<void> {
    const copy = request.clone();
    request.waitsFor = waitsFor;
    await gate.over;
    return this.#watched(copy, reply, session);
  }
}
