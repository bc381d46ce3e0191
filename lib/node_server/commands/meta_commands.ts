/**
 * The meta commands, and the item requests of the binary protocol, which have the same semantics. A read that changes nothing
 * is answered by any replica; one that touches, creates or wins is a write and goes to the master.
 */

import { base64 } from "../../base/base64.ts";
import { latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { winsToken } from "../../item/decide_terms.ts";
import type { EntryView } from "../../item/entry.ts";
import { WaitedFor } from "../../net/connection/slow_requests.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { BinaryReply, putBinaryHit, putBinaryMiss } from "../../protocol/binary/binary_reply.ts";
import { Command } from "../../protocol/command.ts";
import { absoluteExpire } from "../../protocol/expiry.ts";
import type { ItemBefore, ItemReply } from "../../protocol/item_reply.ts";
import { MetaArgument, MetaFlag } from "../../protocol/meta/meta_flags.ts";
import { fillMutation } from "../../protocol/meta/meta_mutation.ts";
import { MetaReply, putMetaHit, putMetaMiss } from "../../protocol/meta/meta_reply.ts";
import type { Request } from "../../protocol/request.ts";
import { faultLine, serverErrorLine } from "../../protocol/text/server_error.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import { askItem } from "../forward/ask_item.ts";
import type { Answer, AskReplica, ReadForward } from "../forward/read_forward.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";
import type { WriteCommands } from "./write_commands.ts";

/** The flags that make a read a write. */
const WRITING = MetaArgument.T | MetaArgument.N | MetaArgument.W | MetaArgument.X;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "runtime" | "stats" | "storage" | "watchers">;

export class MetaCommands {
  readonly #parts: Parts;
  readonly #forward: ReadForward;
  readonly #write: WriteCommands;

  constructor(parts: Parts, forward: ReadForward, write: WriteCommands) {
    this.#parts = parts;
    this.#forward = forward;
    this.#write = write;
  }

  /** mg, and the binary get, touch and gat. */
  get(request: Request, reply: TextReply): void | Promise<void> {
    if (request.opcode < 0) this.#parts.stats.cmdMeta++;
    if ((request.meta.arguments & WRITING) !== 0) return this.#fetch(request, this.#replyTo(request, reply));
    const { storage, stats, watchers } = this.#parts;
    const { key } = request.mutation;
    if (!this.#forward.isHere(key)) {
      request.waitsFor = this.#forward.waitOf(key);
      return this.#getElsewhere(request.clone(), reply);
    }
    const now = nowSeconds(this.#parts);
    let entry: EntryView | undefined | Promise<EntryView | undefined>;
    try {
      entry = storage.get(key, now, (request.meta.flags & MetaFlag.u) !== 0);
    } catch (error) {
      return this.#replyTo(request, reply).line(faultLine(error));
    }
    if (entry instanceof Promise) {
      // It is read again there: what may be shown at once now may not be then.
      entry.catch(() => undefined);
      request.waitsFor = WaitedFor.storage;
      return this.#getElsewhere(request.clone(), reply);
    }
    stats.cmdGet++;
    if (watchers.kinds !== 0) watchers.fetched(key, entry);
    if (entry === undefined) {
      stats.getMisses++;
      if (request.opcode < 0) putMetaMiss(reply.segment, request);
      else putBinaryMiss(reply.segment, request);
      return;
    }
    stats.getHits++;
    if (this.#wins(request, entry, now)) return this.#fetch(request, this.#replyTo(request, reply));
    if (request.opcode < 0) putMetaHit(reply.segment, request, entry, entry, false, now);
    else putBinaryHit(reply.segment, request, entry);
  }

  /** ms md ma, and the binary writes. */
  write(request: Request, reply: TextReply): void | Promise<void> {
    if (request.opcode < 0) this.#parts.stats.cmdMeta++;
    const refusal = fillMutation(request, nowSeconds(this.#parts));
    const own = this.#replyTo(request, reply);
    if (refusal !== "") return own.line(refusal);
    if (request.command === Command.ma && (request.meta.flags & MetaFlag.t) !== 0) own.before = this.#timeBefore(request);
    return this.#write.writeItem(request, own);
  }

  /** The answer of `ma` to a `t` before its `T` or `N`. */
  #timeBefore(request: Request): ItemBefore {
    const now = nowSeconds(this.#parts);
    try {
      const entry = this.#parts.storage.get(request.mutation.key, now, true);
      // The following write reports a failure.
      if (entry instanceof Promise) entry.catch(() => undefined);
      else if (entry !== undefined) return beforeOf(entry);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
    }
    return { expire: 0, marks: 0, fetched: false, accessSeconds: now };
  }

  /** `me <key>`: debug information about an item on this node. */
  debug(request: Request, reply: TextReply): void | Promise<void> {
    const now = nowSeconds(this.#parts);
    try {
      const entry = this.#parts.storage.get(request.mutation.key, now, true);
      if (entry instanceof Promise) return this.#debugLater(request.clone(), reply, entry, now);
      reply.line(describeItem(request, entry, now));
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  async #debugLater(request: Request, reply: TextReply, pending: Promise<EntryView | undefined>, now: number): Promise<void> {
    try {
      reply.line(describeItem(request, await pending, now));
    } catch (error) {
      reply.line(faultLine(error));
    }
  }

  #replyTo(request: Request, reply: TextReply): ItemReply {
    if (request.opcode >= 0) return new BinaryReply(reply.segment, request);
    return new MetaReply(reply.segment, request, nowSeconds(this.#parts));
  }

  /** Whether the reader of this item should refresh it. */
  #wins(request: Request, entry: EntryView, now: number): boolean {
    if (request.opcode >= 0) return false;
    const { meta } = request;
    if (entry.marks === 0 && (meta.arguments & MetaArgument.R) === 0) return false;
    return winsToken(entry.marks, entry.expire, absoluteExpire(meta.recacheExptime, now));
  }

  /** A read that changes its item: looks up the item's previous state first, because the answer contains it. */
  #fetch(request: Request, reply: ItemReply): void | Promise<void> {
    const { storage } = this.#parts;
    const now = nowSeconds(this.#parts);
    fillMutation(request, now);
    try {
      const entry = storage.get(request.mutation.key, now);
      if (entry instanceof Promise) {
        request.waitsFor = WaitedFor.storage;
        return this.#fetchLater(request.clone(), reply, entry);
      }
      reply.before = entry === undefined ? undefined : beforeOf(entry);
    } catch (error) {
      return reply.line(faultLine(error));
    }
    return this.#write.writeItem(request, reply);
  }

  async #fetchLater(request: Request, reply: ItemReply, pending: Promise<EntryView | undefined>): Promise<void> {
    reply.bind(request);
    try {
      const entry = await pending;
      reply.before = entry === undefined ? undefined : beforeOf(entry);
    } catch (error) {
      return reply.line(faultLine(error));
    }
    return this.#write.writeItem(request, reply);
  }

  /** Answers a cloned request with the local item. */
  #found(request: Request, reply: ItemReply, entry: EntryView | undefined): void | Promise<void> {
    const { stats } = this.#parts;
    stats.cmdGet++;
    if (entry === undefined) {
      stats.getMisses++;
      return reply.miss();
    }
    stats.getHits++;
    if (this.#wins(request, entry, nowSeconds(this.#parts))) return this.#fetch(request, reply);
    reply.hit(entry);
  }

  /** As with get, any replica can answer. */
  async #getElsewhere(request: Request, reply: TextReply): Promise<void> {
    const { stats } = this.#parts;
    const own = this.#replyTo(request, reply);
    const ask: AskReplica<(own: ItemReply) => void> = (lane, node) => this.#ask(lane, node, request);
    const peek = (request.meta.flags & MetaFlag.u) !== 0;
    try {
      const reading = await this.#forward.readItem(request.mutation.key, ask, request.forwardedBy, peek);
      if ("entry" in reading) return this.#found(request, own, reading.entry);
      stats.cmdGet++;
      if ("error" in reading) own.line(reading.error);
      else reading.value(own);
    } catch (error) {
      own.line(faultLine(error));
    }
  }

  /** Asks another node; returns a function that writes its answer. @throws PeerError, Moved */
  async #ask(lane: Peer, node: ClusterNode, request: Request): Promise<Answer<(reply: ItemReply) => void>> {
    const answer = await askItem(lane, request, "", nowSeconds(this.#parts));
    if (answer === undefined) return { error: serverErrorLine(`node "${node.key}" cannot execute this request`) };
    const line = "status" in answer ? answer.error : answer.line;
    if (line.startsWith("SERVER_ERROR ")) return { error: line };
    return { value: (reply) => ("status" in answer ? reply.remote(answer) : reply.passOn(answer)) };
  }
}

function beforeOf({ expire, marks, fetched, accessSeconds }: EntryView): ItemBefore {
  return { expire, marks, fetched, accessSeconds };
}

/** memcached's line for `me`; there are no slab classes, so all items are of class 1. */
function describeItem(request: Request, entry: EntryView | undefined, now: number): string {
  if (entry === undefined) return "EN";
  const { key } = request.mutation;
  const isBase64 = (request.meta.flags & MetaFlag.b) !== 0;
  const name = isBase64 ? base64(key.bytes, key.start, key.end) : latin1(key.bytes, key.start, key.end);
  const left = entry.expire === 0 ? -1 : entry.expire - now;
  const fetched = entry.fetched ? "yes" : "no";
  const size = entry.valueEnd + 2 - entry.headStart;
  const idle = Math.max(0, now - entry.accessSeconds);
  return `ME ${name} exp=${left} la=${idle} cas=${entry.version} fetch=${fetched} cls=1 size=${size}`;
}
