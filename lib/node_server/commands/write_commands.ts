/**
 * The writes: decided where the key's master is, forwarded there from anywhere else, replicated from there. A local
 * write without replicas to wait for is answered within the call; its reply leaves when the storage has committed it.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route } from "../../cluster/routing.ts";
import type { KeySlice } from "../../item/entry.ts";
import { type Applied, MutationKind, MutationResult } from "../../item/mutation.ts";
import { keysOf } from "../../net/connection/outstanding.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { PeerError } from "../../net/peer/peer_link.ts";
import { Command } from "../../protocol/command.ts";
import { absoluteExpire } from "../../protocol/expiry.ts";
import type { ItemReply, RemoteOutcome } from "../../protocol/item_reply.ts";
import { encodeForwardedMeta, isSayable } from "../../protocol/meta/meta_client.ts";
import { parseInteger } from "../../protocol/numbers.ts";
import { type Request, SyncMode } from "../../protocol/request.ts";
import { type ClientReply, encodeForwarded, encodeTouch, ReplyShape } from "../../protocol/text/text_client.ts";
import { encodeTextFallback, parseTextAnswer } from "../../protocol/text/text_fallback.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import {
  FORWARD_ATTEMPTS,
  FORWARD_PAUSE_MS,
  NO_PARTITION_TEXT,
  PROXY_ERROR_TEXT,
  PROXY_FAILURE_TEXT,
} from "../forward/refusals.ts";
import { type NodeContext, nowSeconds } from "../node_context.ts";
import { encodeValue } from "./read_commands.ts";

const NOT_SAYABLE_TEXT = "SERVER_ERROR the node that owns this key cannot carry out this request";

export class WriteCommands {
  readonly #context: NodeContext;

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /** set add replace append prepend cas incr decr delete touch. */
  write(request: Request, reply: TextReply): void | Promise<void> {
    const { key, kind } = request.mutation;
    if (carriesData(kind)) this.#context.stats.cmdSet++;
    const hash = this.#hash(key.bytes, key.start, key.end);
    const route = this.#route(request, hash);
    if (route === LOCAL) return this.#writeHere(request, reply, hash);
    if (typeof route === "object") return this.#forward(route, request.clone(), reply);
    if (isSilent(request)) return;
    reply.line(route === NO_PARTITION ? NO_PARTITION_TEXT : PROXY_FAILURE_TEXT);
  }

  /** A write of the meta or the binary protocol: `request.mutation` comes with terms. */
  writeItem(request: Request, reply: ItemReply): void | Promise<void> {
    const { replicator, stats } = this.#context;
    const { key, kind } = request.mutation;
    if (carriesData(kind)) stats.cmdSet++;
    const hash = this.#hash(key.bytes, key.start, key.end);
    const route = this.#route(request, hash);
    if (route === NO_PARTITION) return reply.line(NO_PARTITION_TEXT);
    if (route === PROXY_FAILURE) return reply.line(PROXY_FAILURE_TEXT);
    if (route !== LOCAL) return this.#forwardItem(route, request.clone(), reply);
    if (!isSayable(key) && replicator.concerns(hash, request.prefix !== undefined)) {
      return this.#writeUnsayable(request.clone(), reply, hash);
    }
    return this.#writeHere(request, reply, hash);
  }

  /** A key no line of text can hold is only taken when every replica knows other lines, too. */
  async #writeUnsayable(request: Request, reply: ItemReply, hash: number): Promise<void> {
    reply.bind(request);
    const node = await this.#context.replicator.tooOldFor(request, hash);
    if (node !== undefined) return reply.line(`SERVER_ERROR replica "${node.key}" cannot hold a key with blanks or line ends`);
    return this.#writeHere(request, reply, hash);
  }

  /** Sends a meta or binary request to the node that owns its key, as a meta line if it knows such lines, else as text. */
  async #forwardItem(node: ClusterNode, request: Request, reply: ItemReply): Promise<void> {
    reply.bind(request);
    const { peers, runtime } = this.#context;
    const { key } = request.mutation;
    const prefix = this.#prefix(request);
    const now = nowSeconds(this.#context);
    let target = node;
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#answerItem(reply, await askItem(peers.lane(target, key.bytes, key.start, key.end), request, prefix, now));
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        runtime.log.write("info", `request to "${target.key}" failed: ${error.message}`);
        if (error.mayHaveHappened || attempt === FORWARD_ATTEMPTS) return reply.line(failureText(error));
      }
      target = await this.#nextTarget(key, target);
    }
  }

  #answerItem(reply: ItemReply, outcome: ItemAnswer): void {
    if (outcome === undefined) reply.line(NOT_SAYABLE_TEXT);
    else if ("status" in outcome) reply.remote(outcome);
    else reply.passOn(outcome);
  }

  /** gat and gats: every key is touched and answered; Flare's form takes one key and has no END. */
  touchAndRetrieve(request: Request, reply: TextReply): void | Promise<void> {
    const keys = keysOf(request);
    if (keys.some((key) => key.length > this.#context.options.keyBytesMax)) {
      return reply.line("CLIENT_ERROR bad command line format");
    }
    const requests = keys.map((key) => {
      const single = request.clone();
      const bytes = fromLatin1(key);
      Object.assign(single.mutation.key, { bytes, start: 0, end: bytes.length });
      return single;
    });
    return this.#touchAll(requests, request.flareOrder, reply);
  }

  async #touchAll(requests: readonly Request[], flareOrder: boolean, reply: TextReply): Promise<void> {
    for (const request of requests) {
      this.#context.stats.cmdSet++;
      const error = await this.#touchOne(request, reply);
      if (error !== undefined) return reply.line(error);
    }
    if (!flareOrder) reply.end();
  }

  /** Answers one key of gat; gives the line that ends the whole request if it failed. */
  async #touchOne(request: Request, reply: TextReply): Promise<string | undefined> {
    const { storage } = this.#context;
    const { bytes, end } = request.mutation.key;
    let hash = this.#hash(bytes, 0, end);
    const route = this.#route(request, hash);
    if (route === NO_PARTITION) return NO_PARTITION_TEXT;
    if (route === PROXY_FAILURE) return PROXY_FAILURE_TEXT;
    const now = nowSeconds(this.#context);
    const expire = absoluteExpire(request.exptime, now);
    if (route !== LOCAL) return this.#touchElsewhere(route, request, expire, reply);
    const refusal = this.#refusal(request, hash);
    if (refusal !== undefined) return `SERVER_ERROR ${refusal}`;
    request.mutation.expire = expire;
    const pending = storage.apply(request.mutation, now);
    const applied = pending instanceof Promise ? await this.#context.partitionFlush.track(pending) : pending;
    if (pending instanceof Promise) hash = this.#hash(bytes, 0, end);
    if (applied.result === MutationResult.failed) return `SERVER_ERROR ${applied.error}`;
    if (applied.result !== MutationResult.touched) return request.flareOrder ? "NOT_FOUND" : undefined;
    const block = encodeValue(applied.entry, request.command === Command.gats);
    const replicated = this.#spread(request, hash, applied);
    const error = await this.#committed();
    if (error !== undefined) return `SERVER_ERROR ${error.message}`;
    const notQueued = this.#waitsForCopies(request, hash) ? await replicated : undefined;
    if (notQueued !== undefined) return notCopiedText(notQueued);
    reply.raw(block);
    return undefined;
  }

  /** As `#touchOne` for a key of another node. */
  async #touchElsewhere(node: ClusterNode, request: Request, expire: number, reply: TextReply): Promise<string | undefined> {
    const { bytes, end } = request.mutation.key;
    const prefix = this.#prefix(request);
    const isAmbiguous = prefix === "" && !Number.isNaN(parseInteger(bytes, 0, end));
    const answer =
      isAmbiguous || request.command === Command.gats
        ? await this.#retrieveAndTouch(node, request, prefix, expire)
        : await this.#ask(node, request, encodeForwarded(request, prefix, expire), ReplyShape.value);
    if (answer instanceof PeerError) return failureText(answer);
    if (answer.body.length > 0) reply.raw(answer.body);
    else if (answer.line !== "NOT_FOUND") return answer.line;
    else if (request.flareOrder) return "NOT_FOUND";
    return undefined;
  }

  /**
   * gat in two requests. For gats, because Flare's gat carries no version; and for a key that is a number, where no node in
   * front of the request tells whose gat it is: which of the two numbers is the time is read differently by memcached and
   * Flare. The value first: a time that is past would leave nothing to read.
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
    const { bytes, end } = request.mutation.key;
    const touched = await this.#ask(node, request, encodeTouch(prefix, latin1(bytes, 0, end), expire, false), ReplyShape.line);
    return touched instanceof PeerError || touched.line !== "TOUCHED" ? touched : found;
  }

  /** The item of a gat or gats as it lies at the node. */
  #retrieve(node: ClusterNode, request: Request): Promise<ClientReply | PeerError> {
    const { bytes, end } = request.mutation.key;
    const line = `${request.command === Command.gats ? "gets" : "get"} ${latin1(bytes, 0, end)}\r\n`;
    return this.#ask(node, request, fromLatin1(line), ReplyShape.values);
  }

  #writeHere(request: Request, reply: TextReply, hash: number): void | Promise<void> {
    const { storage } = this.#context;
    const refusal = this.#refusal(request, hash);
    if (refusal !== undefined) return isSilent(request) ? undefined : reply.line(`SERVER_ERROR ${refusal}`);
    const now = nowSeconds(this.#context);
    request.mutation.expire = absoluteExpire(request.exptime, now);
    const applied = storage.apply(request.mutation, now);
    if (applied instanceof Promise) {
      const copy = request.clone();
      reply.bind(copy);
      return this.#writeLater(copy, reply, this.#context.partitionFlush.track(applied));
    }
    return this.#applied(request, reply, hash, applied);
  }

  /** The storage had to wait: the chunk this came with is long done, so the commit is waited for here. */
  async #writeLater(request: Request, reply: TextReply, pending: Promise<Applied>): Promise<void> {
    const applied = await pending;
    // Whom it concerns is a question to the map in use now.
    const { key } = request.mutation;
    const hash = this.#hash(key.bytes, key.start, key.end);
    const replicated = this.#spread(request, hash, applied);
    if (!changed(applied.result)) return this.#refused(request, reply, applied);
    const text = request.noreply ? "" : reply.appliedText(applied);
    return this.#answerAfter(this.#waitsForCopies(request, hash) ? replicated : undefined, request.noreply, reply, text);
  }

  #applied(request: Request, reply: TextReply, hash: number, applied: Applied): void | Promise<void> {
    const replicated = this.#spread(request, hash, applied);
    if (!changed(applied.result)) return this.#refused(request, reply, applied);
    if (request.noreply) return;
    if (replicated !== undefined && this.#waitsForCopies(request, hash)) {
      return this.#answerAfter(replicated, false, reply, reply.appliedText(applied));
    }
    const start = reply.segment.length;
    reply.applied(applied);
    reply.markUncommitted(start);
  }

  /** Counts a write that was executed here and passes it on; undefined when nobody else needs it. */
  #spread(request: Request, hash: number, applied: Applied): Promise<FlareError | undefined> | undefined {
    const { stats, replicator, otherCluster, routing, watchers } = this.#context;
    stats.countApplied(request.mutation.kind, applied.result);
    if (watchers.kinds !== 0) watchers.mutated(request.mutation, applied);
    if (!changed(applied.result)) return undefined;
    const { expire } = request.mutation;
    if (otherCluster.replication !== undefined && routing.routeWrite(hash, false) === LOCAL) {
      otherCluster.replication.replicate(request, applied, expire);
    }
    if (!replicator.concerns(hash, request.prefix !== undefined)) return undefined;
    return replicator.replicate(request, applied, hash, expire, this.#waitsForCopies(request, hash));
  }

  #refused(request: Request, reply: TextReply, applied: Applied): void {
    if (applied.result === MutationResult.tooLarge) this.#context.stats.tooLarge++;
    if (!request.noreply || (applied.result === MutationResult.failed && !isSilent(request))) reply.applied(applied);
  }

  async #answerAfter(
    replicated: Promise<FlareError | undefined> | undefined,
    noreply: boolean,
    reply: TextReply,
    text: string,
  ): Promise<void> {
    const committed = this.#committed();
    const notQueued = await replicated;
    const error = await committed;
    if (noreply) return;
    if (error !== undefined) reply.line(`SERVER_ERROR ${error.message}`);
    else if (notQueued !== undefined) reply.line(notCopiedText(notQueued));
    else reply.segment.putText(text);
  }

  async #forward(node: ClusterNode, request: Request, reply: TextReply): Promise<void> {
    // A key that has just moved from here: its last write, if it is still being committed, goes ahead.
    if (this.#context.routing.settling) await this.#committed();
    const { noreply } = request;
    // A client reads what it wrote: its later requests for this key wait until the answer tells that the write has happened.
    request.noreply = noreply && request.prefix !== undefined;
    const bytes = encodeForwarded(request, this.#prefix(request), absoluteExpire(request.exptime, nowSeconds(this.#context)));
    const answer = await this.#ask(node, request, bytes, request.noreply ? undefined : ReplyShape.line);
    if (noreply) return;
    if (answer instanceof PeerError) return reply.line(failureText(answer));
    reply.line(answer.line);
  }

  /**
   * Sends a request to the node that owns its key. What never left is sent again by the newest map, to a promoted slave
   * for instance; what may have arrived is not, because incr or append would happen twice.
   */
  async #ask(
    node: ClusterNode,
    request: Request,
    bytes: Uint8Array,
    shape: ReplyShape | undefined,
  ): Promise<ClientReply | PeerError> {
    const { peers, runtime } = this.#context;
    const key = request.mutation.key;
    let target = node;
    for (let attempt = 1; ; attempt++) {
      try {
        return await peers.lane(target, key.bytes, key.start, key.end).request(bytes, shape);
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        runtime.log.write("info", `request to "${target.key}" failed: ${error.message}`);
        if (error.mayHaveHappened || attempt === FORWARD_ATTEMPTS) return error;
      }
      target = await this.#nextTarget(key, target);
    }
  }

  /**
   * Whom to ask after `failed` did not take a request: at once if the map names another owner by now, else after a pause.
   * The owner may be this node itself, whose own server then gets the request.
   */
  async #nextTarget(key: KeySlice, failed: ClusterNode): Promise<ClusterNode> {
    const { clock } = this.#context.runtime;
    if (this.#owner(key)?.key === failed.key) await sleep(clock, FORWARD_PAUSE_MS);
    return this.#owner(key) ?? failed;
  }

  #owner({ bytes, start, end }: KeySlice): ClusterNode | undefined {
    const { routing, otherCluster } = this.#context;
    if (otherCluster.node !== undefined) return otherCluster.node;
    const route = routing.routeWrite(this.#hash(bytes, start, end), false);
    if (route === LOCAL) return routing.self;
    return typeof route === "object" ? route : undefined;
  }

  /** The received node list with us at its end. */
  #prefix(request: Request): string {
    const { selfKey, otherCluster } = this.#context;
    // No node of another cluster may take this for replication.
    if (otherCluster.node !== undefined) return "";
    return request.prefix === undefined || request.prefix === "" ? `<${selfKey}>` : `<${request.prefix},${selfKey}>`;
  }

  /**
   * Flare differs: two nodes of the original whose maps contradict each other send a request to and fro until they time out;
   * here it fails when it would pass the same two nodes again. So does what would go straight back: a copy for a replica
   * that we are no longer or do not know yet to be, which its master waits for while it holds up what we ask of him.
   */
  #route(request: Request, hash: number): Route {
    const { routing, selfKey, otherCluster, options, peers } = this.#context;
    if (otherCluster.node !== undefined) return otherCluster.node;
    const { prefix } = request;
    const route = routing.routeWrite(hash, prefix !== undefined);
    if (typeof route !== "object") return route;
    if (options.maxTotalThreadQueue > 0 && peers.queue >= options.maxTotalThreadQueue) return PROXY_FAILURE;
    if (prefix === undefined) return route;
    const passed = prefix.split(",");
    // A copy for somebody who does not know yet that it is a replica: sent on, it would keep its sender waiting for itself.
    const fromOwner = passed.at(-1) === route.key || request.mutation.version !== 0;
    const copied = fromOwner && isCopy(request) && !routing.gaveAway(hash);
    return copied || (passed.includes(selfKey) && passed.includes(route.key)) ? PROXY_FAILURE : route;
  }

  /** 0 while the hash of a key does not matter; another map may change that. */
  #hash(bytes: Uint8Array, start: number, end: number): number {
    return this.#context.routing.partitionCount > 1 ? this.#context.keyHash(bytes, start, end) : 0;
  }

  /** Why a write that would be answered after the others have it must not be carried out here. */
  #refusal(request: Request, hash: number): string | undefined {
    const { routing, replicator } = this.#context;
    if (!this.#isSync(request) && routing.preparingMasterOf(hash) === undefined) return undefined;
    return replicator.refusal(request, hash);
  }

  /** Whether a write is answered after the others have it; one whose key moves to another partition always is. */
  #waitsForCopies(request: Request, hash: number): boolean {
    return this.#isSync(request) || this.#context.routing.successorOf(hash, request.prefix !== undefined) !== undefined;
  }

  #isSync(request: Request): boolean {
    if (request.syncMode === SyncMode.byDefault) return this.#context.options.replicationType === "sync";
    return request.syncMode === SyncMode.sync;
  }

  #committed(): Promise<FlareError | undefined> {
    return new Promise((resolve) => this.#context.storage.onCommit({ onCommitted: resolve }));
  }
}

/**
 * Flare differs: a node hears nothing at all of what it wants no answer to. It would take an error for the answer to its
 * next request, or cut the connection and lose the copies that are on their way.
 */
function isSilent({ noreply, prefix }: Request): boolean {
  return noreply && prefix !== undefined;
}

/** A write was carried out here, and no room was left for its copy: it must not count as one that has its copies. */
function notCopiedText({ message }: FlareError): string {
  return `SERVER_ERROR written here but not at all replicas: ${message}`;
}

/** Says what is known: what never left has not happened. */
function failureText({ mayHaveHappened }: PeerError): string {
  return mayHaveHappened ? PROXY_ERROR_TEXT : PROXY_FAILURE_TEXT;
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

/** Whether a write from another node may be what a master sends to its replicas; a touch never carries a version. */
function isCopy({ mutation: { kind, version } }: Request): boolean {
  return kind === MutationKind.touch || (version !== 0 && (kind === MutationKind.set || kind === MutationKind.delete));
}

function carriesData(kind: MutationKind): boolean {
  return kind <= MutationKind.cas || kind === MutationKind.touch || kind === MutationKind.fetch;
}

/** What came of `askItem`: as a node of this kind has said it, taken apart from another, undefined = that one cannot do it. */
export type ItemAnswer = RemoteOutcome | ClientReply | undefined;

/**
 * Asks another node for what a meta or binary request wants; `prefix` as for `encodeForwardedMeta`.
 * @throws PeerError
 */
export async function askItem(lane: Peer, request: Request, prefix: string, nowSeconds: number): Promise<ItemAnswer> {
  if (await lane.speaksMeta()) {
    return lane.request(encodeForwardedMeta(request, prefix, nowSeconds), ReplyShape.meta, true);
  }
  const said = encodeTextFallback(request, prefix, nowSeconds);
  if (said === undefined) return undefined;
  return parseTextAnswer(request, await lane.request(said.bytes, said.shape));
}
