/**
 * A node server's commands: which word goes to which group. The groups know what to do; this only tells them apart.
 */

import type { FlareError } from "../base/errors.ts";
import type { ClientSession } from "../net/connection/client_session.ts";
import type { RequestHandler } from "../net/connection/session_host.ts";
import { BinaryReply } from "../protocol/binary/binary_reply.ts";
import { Command, CommandShape, CommandTable, shapeOf } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { TextReply } from "../protocol/text/text_reply.ts";
import type { AdminCommands } from "./commands/admin_commands.ts";
import type { DumpCommands } from "./commands/dump_commands.ts";
import type { FlushCommands } from "./commands/flush_commands.ts";
import type { KeyListings } from "./commands/key_listings.ts";
import type { MetaCommands } from "./commands/meta_commands.ts";
import { isPrivilegedAtNode } from "./commands/privileged_commands.ts";
import type { ReadCommands } from "./commands/read_commands.ts";
import type { ScanCommands } from "./commands/scan_commands.ts";
import type { WriteCommands } from "./commands/write_commands.ts";
import type { NodeContext } from "./node_context.ts";

const COMMANDS = new CommandTable([
  "get",
  "gets",
  "gat",
  "gats",
  "set",
  "add",
  "replace",
  "append",
  "prepend",
  "cas",
  "incr",
  "decr",
  "delete",
  "touch",
  "mg",
  "ms",
  "md",
  "ma",
  "mn",
  "me",
  "watch",
  "cache_memlimit",
  "refresh_certs",
  "flush_all",
  "version",
  "verbosity",
  "quit",
  "stats",
  "ping",
  "dump",
  "dump_key",
  "keys",
  "show",
  "kill",
  "node",
  "scan",
  "delete_prefix",
  "lru_crawler",
]);

/** The groups of commands of one node server. */
export interface CommandGroups {
  readonly read: ReadCommands;
  readonly write: WriteCommands;
  readonly meta: MetaCommands;
  readonly dump: DumpCommands;
  readonly scan: ScanCommands;
  readonly listings: KeyListings;
  readonly flush: FlushCommands;
  readonly admin: AdminCommands;
}

export class NodeHandler implements RequestHandler {
  readonly commands = COMMANDS;
  readonly speaksBinary = true;
  readonly #context: NodeContext;
  readonly #groups: CommandGroups;

  constructor(context: NodeContext, groups: CommandGroups) {
    this.#context = context;
    this.#groups = groups;
  }

  onCommit(listener: { onCommitted(error?: FlareError): void }): void {
    this.#context.storage.onCommit(listener);
  }

  get version(): string {
    return this.#groups.admin.versionText;
  }

  isPrivileged(request: Request): boolean {
    return isPrivilegedAtNode(request);
  }

  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { watchers } = this.#context;
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
    const { handover, partitionFlush } = this.#context;
    const shape = shapeOf(request.command);
    if (partitionFlush.isNear) partitionFlush.check();
    if (handover.holding && shape !== CommandShape.words) return this.#hold(handover, request.clone(), reply, session);
    if (partitionFlush.holding && mayWrite(shape)) return this.#hold(partitionFlush, request.clone(), reply, session);
    const waiting = this.#dispatch(request, reply, session);
    return waiting !== undefined && mayWrite(shape) ? handover.track(waiting) : waiting;
  }

  async #hold(gate: { over: Promise<void> }, request: Request, reply: TextReply, session: ClientSession): Promise<void> {
    await gate.over;
    return this.handle(request, reply, session);
  }

  #dispatch(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { read, write, meta, dump, scan, listings, flush, admin } = this.#groups;
    if (request.opcode >= 0 && shapeOf(request.command) === CommandShape.words)
      return this.#dispatchBinary(request, reply, session);
    switch (request.command) {
      case Command.get:
      case Command.gets:
        return read.retrieve(request, reply, session);
      case Command.gat:
      case Command.gats:
        return write.touchAndRetrieve(request, reply);
      case Command.mg:
        return meta.get(request, reply);
      case Command.ms:
      case Command.md:
      case Command.ma:
        return meta.write(request, reply);
      case Command.me:
        return meta.debug(request, reply);
      case Command.mn:
        return reply.line("MN");
      case Command.keys:
        return isKeysRequest(request.words) ? read.keys(request.words, reply, session) : reply.line("ERROR");
      case Command.dump:
      case Command.dump_key:
        return dump.dump(request, reply, session);
      case Command.node:
        if (request.words[0] === "flush") return flush.nodeFlush(request.words.slice(1), reply);
        return request.words[0] === "handover" ? admin.nodeHandover(request.words, reply) : admin.nodeSync(request, reply);
      case Command.version:
        flush.onVersion(session);
        return admin.version(reply);
      case Command.verbosity:
        return admin.verbosity(request.words, reply);
      case Command.flush_all:
        return flush.flushAll(request, reply, session);
      case Command.stats:
        if (request.words[0] === "cachedump") return listings.cachedump(request.words.slice(1), reply, session);
        return admin.stats(request.words, reply, session);
      case Command.scan:
        return scan.scan(request, reply);
      case Command.delete_prefix:
        return scan.deletePrefix(request.words, reply, session);
      case Command.lru_crawler:
        return listings.lruCrawler(request.words, reply, session);
      case Command.cache_memlimit:
        return admin.cacheMemlimit(request.words, reply);
      case Command.show:
        return admin.show(request.words, reply);
      case Command.ping:
        return admin.ping(request.words, reply);
      case Command.watch:
        return this.#context.watchers.watch(request.words, reply, session);
      case Command.refresh_certs:
        return admin.refreshCertificates(request.words, reply);
      case Command.kill:
        return admin.kill(request.words, reply);
      case Command.quit:
        return;
      default:
        return write.write(request, reply);
    }
  }

  /** The binary requests that concern no item. */
  #dispatchBinary(request: Request, plain: TextReply, session: ClientSession): void | Promise<void> {
    const { flush, admin } = this.#groups;
    const reply = new BinaryReply(plain.segment, request);
    switch (request.command) {
      case Command.version:
        return reply.text(admin.versionText);
      case Command.flush_all:
        // It may take a while, and then the request is another one's.
        reply.bind(request.clone());
        return flush.flushAll(request, reply, session);
      case Command.stats:
        reply.bind(request.clone());
        return admin.stats(request.words, reply, session);
      default:
        // noop, verbosity and quit.
        return reply.success(0);
    }
  }
}

function mayWrite(shape: CommandShape): boolean {
  return shape !== CommandShape.words && shape !== CommandShape.retrieval;
}

function isKeysRequest(words: readonly string[]): boolean {
  const limit = words[words.length - 1];
  return words.length >= 2 && limit !== undefined && /^\d{1,9}$/.test(limit) && Number(limit) > 0;
}
