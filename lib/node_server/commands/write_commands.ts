/**
 * The writes: executed by the key's master, forwarded to it by other nodes, replicated by it. A local write that waits for no
 * replicas is answered within the call; its reply leaves when the storage has committed it.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, type Route } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import { type Applied, MutationKind, MutationResult, SyncMode } from "../../item/mutation.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { WaitedFor } from "../../net/connection/slow_requests.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import { Command } from "../../protocol/command.ts";
import { absoluteExpire } from "../../protocol/expiry.ts";
import type { ItemReply } from "../../protocol/item_reply.ts";
import { parseInteger } from "../../protocol/numbers.ts";
import type { Request } from "../../protocol/request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine, serverErrorLine } from "../../protocol/text/server_error.ts";
import { type ClientReply, encodeForwarded, encodeTouch, ReplyShape } from "../../protocol/text/text_client.ts";
import { hasLongKey, isTextKey, keysOf } from "../../protocol/text/text_key.ts";
import { encodeValue, type TextReply } from "../../protocol/text/text_reply.ts";
import { askItem, type ItemAnswer } from "../forward/ask_item.ts";
import { askNode } from "../forward/ask_node.ts";
import { PassedWrite, type WriteOwner } from "../forward/passed_write.ts";
import { failureText, NO_PARTITION_TEXT, PROXY_FAILURE_TEXT } from "../forward/refusals.ts";
import { MOVED, type WriteForward } from "../forward/write_forward.ts";
import type { Gate } from "../life/gate.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";

const NOT_SAYABLE_TEXT = "SERVER_ERROR the node that owns this key cannot execute this request";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  | "lease"
  | "options"
  | "partitionFlush"
  | "replicator"
  | "routing"
  | "runtime"
  | "stats"
  | "storage"
  | "visibility"
  | "watchers"
>;

export class WriteCommands implements WriteOwner {
  readonly #parts: Parts;
  readonly #forward: WriteForward;
  readonly #takeover: Pick<Gate, "holding" | "over">;

  /** @param takeover holds requests while keys move to a new partition */
  constructor(parts: Parts, forward: WriteForward, takeover: Pick<Gate, "holding" | "over">) {
    this.#parts = parts;
    this.#forward = forward;
    this.#takeover = takeover;
  }

  /** set add replace append prepend cas incr decr delete touch; without `session` the caller waits for a promise anyway. */
  write(request: Request, reply: TextReply, session?: ClientSession): void | Promise<void> {
    if (this.#isUnsure(request)) {
      request.waitsFor = WaitedFor.certainty;
      return this.#whenSure(request.clone(), reply, (copy) => this.write(copy, reply));
    }
    const { key, kind } = request.mutation;
    if (carriesData(kind)) this.#parts.stats.cmdSet++;
    const hash = this.#forward.hash(key);
    const route = this.#forward.route(request, hash);
    if (route === LOCAL) return this.#writeHere(request, reply, hash);
    if (typeof route === "object") {
      request.waitsFor = route.key;
      if (session !== undefined && this.#isPassedOn(route, request, reply, session)) return;
      return this.#writeElsewhere(route, request.clone(), reply);
    }
    if (!isSilent(request)) reply.line(this.#refusalLine(route, hash));
  }

  /** A write of the meta or the binary protocol: `request.mutation` has terms. */
  writeItem(request: Request, reply: ItemReply): void | Promise<void> {
    if (this.#isUnsure(request)) {
      request.waitsFor = WaitedFor.certainty;
      const copy = request.clone();
      reply.bind(copy);
      return this.#whenSure(copy, reply, () => this.writeItem(copy, reply));
    }
    const { replicator, stats } = this.#parts;
    const { key, kind } = request.mutation;
    if (carriesData(kind)) stats.cmdSet++;
    const hash = this.#forward.hash(key);
    const route = this.#forward.route(request, hash);
    if (typeof route === "object") {
      request.waitsFor = route.key;
      return this.#writeItemElsewhere(route, request.clone(), reply);
    }
    if (route !== LOCAL) return reply.line(this.#refusalLine(route, hash));
    if (!isTextKey(key.bytes, key.start, key.end) && replicator.concerns(hash, request.prefix !== undefined)) {
      return this.#writeUnsayable(request.clone(), reply, hash);
    }
    return this.#writeHere(request, reply, hash);
  }

  /** A key that does not fit into a line of text is only accepted if every replica has the meta commands. */
  async #writeUnsayable(request: Request, reply: ItemReply, hash: number): Promise<void> {
    reply.bind(request);
    const { routing } = this.#parts;
    const { nodeMap } = routing;
    const node = await this.#parts.replicator.tooOldFor(request, hash);
    if (node !== undefined) {
      return reply.line(serverErrorLine(`replica "${node.key}" cannot store a key with spaces or line ends`));
    }
    const isAsBefore = routing.nodeMap === nodeMap && !this.#isUnsure(request);
    return isAsBefore ? this.#writeHere(request, reply, hash) : this.writeItem(request, reply);
  }

  /** Sends a meta or binary request to the node that owns its key, as a meta line if the node supports it, else as text. */
  async #writeItemElsewhere(node: ClusterNode, request: Request, reply: ItemReply): Promise<void> {
    reply.bind(request);
    const prefix = this.#forward.prefix(request);
    const now = nowSeconds(this.#parts);
    const answer = await this.#forward.send(node, request.mutation.key, (lane) => askItem(lane, request, prefix, now));
    if (answer instanceof PeerError) reply.line(failureText(answer));
    else this.#answerItem(reply, answer);
  }

  #answerItem(reply: ItemReply, outcome: ItemAnswer): void {
    if (outcome === undefined) reply.line(NOT_SAYABLE_TEXT);
    else if ("status" in outcome) reply.remote(outcome);
    else reply.passOn(outcome);
  }

  /** gat and gats: touches and answers every key; Flare's form has one key and no END. */
  touchAndRetrieve(request: Request, reply: TextReply): void | Promise<void> {
    if (hasLongKey(request, this.#parts.options.keyBytesMax)) return reply.line(BAD_LINE);
    const requests = keysOf(request).map((key) => {
      const single = request.clone();
      const bytes = fromLatin1(key);
      Object.assign(single.mutation.key, { bytes, start: 0, end: bytes.length });
      return single;
    });
    return this.#touchAll(requests, request.flareOrder, reply);
  }

  async #touchAll(requests: readonly Request[], flareOrder: boolean, reply: TextReply): Promise<void> {
    for (const request of requests) {
      this.#parts.stats.cmdSet++;
      const error = await this.#touchOne(request, reply);
      if (error !== undefined) return reply.line(error);
    }
    if (!flareOrder) reply.end();
  }

  /** Answers one key of gat; returns the line that ends the whole request if it failed. */
  async #touchOne(request: Request, reply: TextReply): Promise<string | undefined> {
    const { storage } = this.#parts;
    if (this.#forward.isBehind(request)) await this.#forward.catchUp(request);
    let hash = this.#forward.hash(request.mutation.key);
    const route = this.#forward.route(request, hash);
    const now = nowSeconds(this.#parts);
    const expire = absoluteExpire(request.exptime, now);
    if (typeof route === "object") return this.#touchElsewhere(route, request, expire, reply);
    if (route !== LOCAL) return this.#refusalLine(route, hash);
    const gate = this.#gateOf(request);
    if (gate !== undefined) {
      await gate.over;
      return this.#touchOne(request, reply);
    }
    if (!this.#parts.lease.mayWrite) {
      const fault = await this.#parts.lease.held();
      return fault === undefined ? this.#touchOne(request, reply) : faultLine(fault);
    }
    const refusal = this.#refusal(request, hash);
    if (refusal !== undefined) return serverErrorLine(refusal);
    request.mutation.expire = expire;
    const { visibility } = this.#parts;
    const { master } = visibility;
    const pending = storage.apply(request.mutation, now);
    const applied = pending instanceof Promise ? await this.#parts.partitionFlush.track(pending) : pending;
    if (pending instanceof Promise) hash = this.#forward.hash(request.mutation.key);
    if (applied.result === MutationResult.failed) return serverErrorLine(applied.error);
    if (applied.result !== MutationResult.touched) {
      const isShown = visibility.master === master && visibility.isShown(request.mutation.key);
      const fault = isShown ? undefined : await visibility.settled(master);
      if (fault !== undefined) return faultLine(fault);
      return request.flareOrder ? "NOT_FOUND" : undefined;
    }
    const block = encodeValue(applied.entry, request.command === Command.gats);
    const replicated = this.#spread(request, hash, applied);
    const error = await this.#committed(this.#isSync(request));
    if (error !== undefined) return faultLine(error);
    const doubt = this.#waitsForCopies(request, hash) ? await replicated : undefined;
    if (doubt !== undefined) return faultLine(doubt);
    reply.raw(block);
    return undefined;
  }

  /** As `#touchOne` for a key of another node. */
  async #touchElsewhere(node: ClusterNode, request: Request, expire: number, reply: TextReply): Promise<string | undefined> {
    const { bytes, end } = request.mutation.key;
    const prefix = this.#forward.prefix(request);
    const isAmbiguous = prefix === "" && !Number.isNaN(parseInteger(bytes, 0, end));
    const answer =
      isAmbiguous || request.command === Command.gats
        ? await this.#retrieveAndTouch(node, request, prefix, expire)
        : await this.#ask(node, request.mutation.key, prefix, encodeForwarded(request, "", expire), ReplyShape.value);
    if (answer instanceof PeerError) return failureText(answer);
    if (answer.body.length > 0) reply.raw(answer.body);
    else if (answer.line !== "NOT_FOUND") return answer.line;
    else if (request.flareOrder) return "NOT_FOUND";
    return undefined;
  }

  /**
   * gat in two requests. For gats, because Flare's gat has no version; and for a numeric key without a node prefix, because
   * memcached and Flare disagree on which of the two numbers is the time. Reads the value first: after a touch with a past time
   * there would be nothing to read.
   */
  async #retrieveAndTouch(
    node: ClusterNode,
    request: Request,
    prefix: string,
    expire: number,
  ): Promise<ClientReply | PeerError> {
    const found = await this.#retrieve(node, request);
    if (found instanceof PeerError) return found;
    if (found.body.length === 0) return found.line === "END" ? { ...found, line: "NOT_FOUND" } : found;
    const { key } = request.mutation;
    const touch = encodeTouch("", latin1(key.bytes, 0, key.end), expire, false);
    const touched = await this.#ask(node, key, prefix, touch, ReplyShape.line);
    return touched instanceof PeerError || touched.line !== "TOUCHED" ? touched : found;
  }

  /** The node's item for a gat or gats. */
  #retrieve(node: ClusterNode, request: Request): Promise<ClientReply | PeerError> {
    const { key } = request.mutation;
    const line = fromLatin1(`${request.command === Command.gats ? "gets" : "get"} ${latin1(key.bytes, 0, key.end)}\r\n`);
    return this.#forward.send(node, key, (lane) => lane.request(line, ReplyShape.values));
  }

  #writeHere(request: Request, reply: TextReply, hash: number): void | Promise<void> {
    const { storage } = this.#parts;
    const refusal = this.#refusal(request, hash);
    if (refusal !== undefined) return isSilent(request) ? undefined : reply.line(serverErrorLine(refusal));
    const now = nowSeconds(this.#parts);
    request.mutation.expire = absoluteExpire(request.exptime, now);
    request.mutation.syncMode = request.syncMode;
    const applied = storage.apply(request.mutation, now);
    if (applied instanceof Promise) {
      request.waitsFor = WaitedFor.storage;
      const copy = request.clone();
      reply.bind(copy);
      return this.#writeLater(copy, reply, this.#parts.partitionFlush.track(applied));
    }
    return this.#applied(request, reply, hash, applied);
  }

  /** Executes a write once this node has the sender's map, and is certainly the master, or sends it to the node that is. */
  async #whenSure(request: Request, reply: TextReply, execute: (request: Request) => void | Promise<void>): Promise<void> {
    if (this.#forward.isBehind(request)) {
      await this.#forward.catchUp(request);
      if (!this.#forward.isBehind(request)) return execute(request);
      return reply.line(this.#refusalLine(MOVED, this.#forward.hash(request.mutation.key)));
    }
    const gate = this.#gateOf(request);
    if (gate !== undefined) {
      await gate.over;
      return execute(request);
    }
    const fault = await this.#parts.lease.held();
    if (fault === undefined) return execute(request);
    if (!isSilent(request)) reply.line(faultLine(fault));
  }

  /** Whether a write belongs here, but may belong to another node by now. */
  #isUnsure(request: Request): boolean {
    if (request.forwardedBy !== undefined && this.#forward.isBehind(request)) return true;
    if (this.#parts.lease.mayWrite && this.#gateOf(request) === undefined) return false;
    return this.#forward.route(request, this.#forward.hash(request.mutation.key)) === LOCAL;
  }

  /** What has begun to hold writes while this one waited for something else. What others pass on must not wait for keys. */
  #gateOf({ prefix }: Request): Pick<Gate, "over"> | undefined {
    if (this.#takeover.holding && prefix === undefined) return this.#takeover;
    return this.#parts.partitionFlush.holding ? this.#parts.partitionFlush : undefined;
  }

  /** The storage had to wait: the chunk of this request is done, so the commit is awaited here. */
  async #writeLater(request: Request, reply: TextReply, pending: Promise<Applied>): Promise<void> {
    const { visibility } = this.#parts;
    const { master } = visibility;
    const applied = await pending;
    // The current map decides which nodes are concerned.
    const { key } = request.mutation;
    const hash = this.#forward.hash(key);
    const replicated = this.#spread(request, hash, applied);
    if (!changed(applied.result)) {
      const isStale = applied.result !== MutationResult.failed && visibility.master !== master;
      const fault = isStale ? await visibility.settled(master) : undefined;
      if (fault === undefined) return this.#refused(request, reply, applied);
      return request.noreply ? undefined : reply.line(faultLine(fault));
    }
    const text = request.noreply ? "" : reply.appliedText(applied);
    return this.#answerAfter(this.#waitsForCopies(request, hash) ? replicated : undefined, request, reply, text);
  }

  #applied(request: Request, reply: TextReply, hash: number, applied: Applied): void | Promise<void> {
    const replicated = this.#spread(request, hash, applied);
    if (!changed(applied.result)) return this.#refused(request, reply, applied);
    const copies = replicated !== undefined && this.#waitsForCopies(request, hash) ? replicated : undefined;
    if (this.#parts.replicator.isHolding || (copies !== undefined && !request.noreply)) {
      request.waitsFor = WaitedFor.replicas;
      // A packet's reply may have to say an error when the request is another one.
      if (request.opcode >= 0) reply.bind(request.clone());
      return this.#answerAfter(copies, request, reply, request.noreply ? "" : reply.appliedText(applied));
    }
    if (request.noreply) return;
    const start = reply.segment.length;
    reply.applied(applied);
    this.#marks(request, reply, start);
  }

  /** Counts a write that was executed here and replicates it; undefined if no other node needs it. */
  #spread(request: Request, hash: number, applied: Applied): Promise<FlareError | undefined> | undefined {
    const { stats, replicator, watchers } = this.#parts;
    stats.countApplied(request.mutation.kind, applied.result);
    if (watchers.kinds !== 0) watchers.mutated(request.mutation, applied);
    if (!changed(applied.result)) return undefined;
    const { expire } = request.mutation;
    if (!replicator.concerns(hash, request.prefix !== undefined)) return undefined;
    return replicator.replicate(request, applied, hash, expire, this.#waitsForCopies(request, hash));
  }

  #refused(request: Request, reply: TextReply, applied: Applied): void {
    const { stats, visibility } = this.#parts;
    if (applied.result === MutationResult.tooLarge) stats.tooLarge++;
    if (request.noreply && (applied.result !== MutationResult.failed || isSilent(request))) return;
    const start = reply.segment.length;
    reply.applied(applied);
    // A refusal shows what it found.
    if (applied.result !== MutationResult.failed && !visibility.isShown(request.mutation.key))
      this.#marks(request, reply, start);
  }

  /** What was answered from `start` on leaves when everything applied so far is committed, and replicated if that matters. */
  #marks(request: Request, reply: TextReply, start: number): void {
    reply.markUncommitted(start);
    if (this.#isSync(request)) reply.segment.waitsForReplicas = true;
  }

  async #answerAfter(
    replicated: Promise<FlareError | undefined> | undefined,
    request: Request,
    reply: TextReply,
    text: string,
  ): Promise<void> {
    // The request belongs to the session, which reuses it.
    const { noreply } = request;
    const committed = this.#committed(this.#isSync(request));
    const doubt = await replicated;
    const error = (await committed) ?? doubt;
    if (noreply) return;
    if (error !== undefined) reply.line(faultLine(error));
    else reply.segment.putText(text);
  }

  /** Passes a write on to the node that owns its key. */
  #isPassedOn(node: ClusterNode, request: Request, reply: TextReply, session: ClientSession): boolean {
    const lane = isSilent(request) ? undefined : this.#forward.laneFor(node, request.mutation.key);
    const late = lane === undefined ? undefined : session.answerLater(request, reply);
    if (lane === undefined || late === undefined) return false;
    // Read-your-writes: later requests of the client for this key wait until the answer confirms the write.
    const write = new PassedWrite(node, this.#forward.prefix(request), lane.knowsForward === true, request.noreply, late, this);
    const expire = absoluteExpire(request.exptime, nowSeconds(this.#parts));
    lane.outbox.writeForwarded(request, write.sentList, expire, false);
    lane.pass(write);
    return true;
  }

  writeAgain({ node, key, list, line, noreply, late }: PassedWrite): Promise<void> {
    return this.#deliver(node, key, list, line, ReplyShape.line, noreply, late.reply);
  }

  async #writeElsewhere(node: ClusterNode, request: Request, reply: TextReply): Promise<void> {
    // A key that has just moved from here: its last write may still be committing, and must go first.
    if (this.#parts.routing.settling) await this.#committed(false);
    const { noreply } = request;
    const shape = isSilent(request) ? undefined : ReplyShape.line;
    request.noreply = shape === undefined;
    const line = encodeForwarded(request, "", absoluteExpire(request.exptime, nowSeconds(this.#parts)));
    return this.#deliver(node, request.mutation.key, this.#forward.prefix(request), line, shape, noreply, reply);
  }

  /** Sends a write to the owner of its key, and answers it. */
  async #deliver(
    node: ClusterNode,
    key: KeySlice,
    list: string,
    line: Uint8Array,
    shape: ReplyShape | undefined,
    noreply: boolean,
    reply: TextReply,
  ): Promise<void> {
    const answer = await this.#ask(node, key, list, line, shape);
    if (noreply) return;
    reply.line(answer instanceof PeerError ? failureText(answer) : answer.line);
  }

  /** Sends a request to the owner of its key; `list`: the nodes it has passed, for a node that needs it. */
  #ask(
    node: ClusterNode,
    key: KeySlice,
    list: string,
    line: Uint8Array,
    shape: ReplyShape | undefined,
  ): Promise<ClientReply | PeerError> {
    return this.#forward.send(node, key, (lane) => askNode(lane, list, line, shape));
  }

  /** Why a write runs nowhere, or not here. */
  #refusalLine(route: Exclude<Route, ClusterNode> | typeof MOVED, hash: number): string {
    if (route === MOVED) return this.#forward.movedLine(hash);
    return route === NO_PARTITION ? NO_PARTITION_TEXT : PROXY_FAILURE_TEXT;
  }

  /** Why a write that waits for its copies must be refused here. */
  #refusal(request: Request, hash: number): string | undefined {
    const { routing, replicator } = this.#parts;
    if (!this.#isSync(request) && routing.preparingMasterOf(hash) === undefined) return undefined;
    return replicator.refusal(request, hash);
  }

  /** Whether a write is answered after its copies; always if its key is moving to another partition. */
  #waitsForCopies(request: Request, hash: number): boolean {
    return this.#isSync(request) || this.#parts.routing.successorOf(hash, request.prefix !== undefined) !== undefined;
  }

  #isSync(request: Request): boolean {
    if (request.syncMode === SyncMode.byDefault) return this.#parts.visibility.replicationType === "sync";
    return request.syncMode === SyncMode.sync;
  }

  /** Resolves when what was applied so far is committed here and, with `isSync`, at the replicas with a stream. */
  #committed(isSync: boolean): Promise<FlareError | undefined> {
    return new Promise((resolve) => this.#parts.replicator.onCommit({ onCommitted: resolve }, isSync));
  }
}

/**
 * Flare differs: a node gets no answer at all to a noreply request. It would take an error for the answer to its next request,
 * or close the connection and lose copies in flight.
 */
function isSilent({ noreply, prefix }: Request): boolean {
  return noreply && prefix !== undefined;
}

function changed(result: MutationResult): boolean {
  return (
    result === MutationResult.stored ||
    result === MutationResult.deleted ||
    result === MutationResult.touched ||
    result === MutationResult.won ||
    result === MutationResult.number
  );
}

function carriesData(kind: MutationKind): boolean {
  const { cas, touch, restore, fetch } = MutationKind;
  return kind <= cas || kind === touch || kind === restore || kind === fetch;
}
