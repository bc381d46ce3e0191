/**
 * A handler for connections that may not run privileged commands: refuses them with memcached's text and passes everything else
 * on. The inner handler knows which commands are privileged.
 */

import { BinaryStatus } from "../../protocol/binary/binary_protocol.ts";
import { putBinaryError } from "../../protocol/binary/binary_reply.ts";
import { CommandShape, type CommandTable, commandName, shapeOf } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { ClientSession } from "./client_session.ts";
import type { ReplyListener, RequestHandler } from "./session_host.ts";

export class GuardedHandler implements RequestHandler {
  readonly commands: CommandTable;
  readonly #inner: RequestHandler;

  constructor(inner: RequestHandler) {
    this.#inner = inner;
    this.commands = inner.commands;
  }

  onCommit(listener: ReplyListener, waitsForReplicas: boolean): void {
    this.#inner.onCommit?.(listener, waitsForReplicas);
  }

  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    if (this.#inner.isPrivileged?.(request) !== true) return this.#inner.handle(request, reply, session);
    if (request.opcode >= 0) {
      putBinaryError(reply.segment, request.opcode, request.opaque, BinaryStatus.authenticationFailed);
    } else if (!wantsNoReply(request)) reply.line(`CLIENT_ERROR ${commandName(request.command)} not allowed`);
  }
}

function wantsNoReply(request: Request): boolean {
  return shapeOf(request.command) === CommandShape.words ? request.words.at(-1) === "noreply" : request.noreply;
}
