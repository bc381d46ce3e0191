/**
 * Sends local writes to the replicas: the complete resulting value with its version, never the command, so that duplicates and
 * late copies are harmless; copies left unanswered by a broken connection are sent again. Nothing leaves before it is committed
 * here. Copies of a key are in order, because a key keeps its lane. On the wire: `<nodes,self>set …`, `delete …`, `touch …`.
 */

import { EMPTY_BYTES, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { PacedLog } from "../base/paced_log.ts";
import { type ClusterNode, NodeState } from "../cluster/node.ts";
import { LOCAL, type Routing } from "../cluster/routing.ts";
import type { KeySlice } from "../item/entry.ts";
import { type Applied, MutationResult } from "../item/mutation.ts";
import type { Peer } from "../net/peer/peer.ts";
import type { PeerPool } from "../net/peer/peer_pool.ts";
import {
  encodeReplicatedMetaDelete,
  encodeReplicatedMetaSet,
  encodeReplicatedMetaTouch,
} from "../protocol/meta/meta_client.ts";
import type { Request } from "../protocol/request.ts";
import {
  type ClientReply,
  encodeOptions,
  encodeReplicatedDelete,
  encodeReplicatedSet,
  encodeTouch,
  ReplyShape,
} from "../protocol/text/text_client.ts";
import { isTextKey } from "../protocol/text/text_key.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { NoreplyWindow } from "./noreply_window.ts";

/** Settings that can change at run time. */
export interface ReplicatorOptions {
  /** Asynchronous writes in a row on one connection that request no reply; 0 = none. */
  readonly noreplyWindowLimit: number;
  /** With this many requests queued to other nodes no more copies are queued; 0 = no limit. */
  readonly maxTotalThreadQueue: number;
}

/** One copy of one write to one node. */
interface Delivery {
  readonly node: ClusterNode;
  readonly lane: Peer;
  /** Undefined: a line of text cannot represent it. */
  readonly line: Uint8Array | undefined;
  /** The same as a meta line, if a text line cannot represent it fully. */
  readonly metaLine: Uint8Array | undefined;
  /** Undefined: no answer comes. */
  readonly shape: ReplyShape | undefined;
  /**
   * Called when the node has answered or failed, with the reason if it could not be queued; undefined if nobody waits for it.
   */
  readonly done: ((refusal?: FlareError) => void) | undefined;
}

/** The approximate size of a copy's line without key and value: names of nodes, numbers, options. */
const LINE_BYTES = 256;
/** Failed copies are logged at most once in this time, in milliseconds. */
const TROUBLE_LOG_MS = 10000;

export class Replicator {
  readonly #routing: Routing;
  readonly #peers: PeerPool;
  readonly #storage: Storage;
  readonly #failureLog: PacedLog;
  readonly #limitLog: PacedLog;
  readonly #selfKey: string;
  readonly #window = new NoreplyWindow();
  /** Copies that could not be delivered, since the start. */
  failures = 0;
  /** Copies nobody waited for that were dropped because of `maxTotalThreadQueue`, since the start. */
  dropped = 0;
  /** Writes refused because their copies could not have been queued, since the start. */
  refused = 0;
  /** Copies waiting for their commit or for an answer. */
  #pending = 0;
  /** Copies waiting for their commit, and their bytes. */
  #uncommitted = 0;
  #uncommittedBytes = 0;
  readonly #idle: (() => void)[] = [];
  /** Reloadable. */
  options: ReplicatorOptions;

  constructor(
    runtime: Runtime,
    routing: Routing,
    peers: PeerPool,
    storage: Storage,
    selfKey: string,
    options: ReplicatorOptions,
  ) {
    this.options = options;
    this.#routing = routing;
    this.#peers = peers;
    this.#storage = storage;
    this.#failureLog = new PacedLog(runtime, "warning", TROUBLE_LOG_MS);
    this.#limitLog = new PacedLog(runtime, "warning", TROUBLE_LOG_MS);
    this.#selfKey = selfKey;
  }

  /** True when a successful write of this key goes to any other node. */
  concerns(hash: number, fromNode: boolean): boolean {
    return this.#routing.replicasOf(hash, fromNode).length > 0 || this.#routing.successorOf(hash, fromNode) !== undefined;
  }

  /**
   * Why a write that waits for its copies must be refused: they could not all be queued. Undefined if they can, and for a write
   * that is itself a copy, which its owner has already executed.
   */
  refusal(request: Request, hash: number): string | undefined {
    if (this.#routing.routeWrite(hash, false) !== LOCAL) return undefined;
    const { key, valueStart, valueEnd } = request.mutation;
    const preparing = this.#routing.preparingMasterOf(hash);
    const replicas = this.#routing.replicasOf(hash, request.prefix !== undefined);
    const targets = preparing === undefined ? replicas : [...replicas, preparing];
    const text = this.#crowdedBy(targets.length) ?? this.#fullLane(targets, key, valueEnd - valueStart);
    if (text === undefined) return undefined;
    this.refused++;
    this.#limitLog.write(`a write is refused, ${text}`);
    return text;
  }

  /**
   * Queues the outcome of a write to every replica, then to the node that takes the key over, if there is one. Resolves when
   * each has answered or failed, with the reason if a copy that is waited for could not be queued.
   *
   * Flare differs: the original never waits for a preparing master; newer writes there overtook copies still in flight when it
   * became active, and those were lost.
   * @param expire as in the request (for delete: until when the key is blocked)
   * @param waited whether the caller waits for the replicas: then their answers are requested regardless of the window
   */
  replicate(
    request: Request,
    applied: Applied,
    hash: number,
    expire: number,
    waited: boolean,
  ): Promise<FlareError | undefined> {
    const prefix = this.#prefixOf(request);
    if (prefix === undefined) return Promise.resolve(undefined);
    const replicas = this.#routing.replicasOf(hash, request.prefix !== undefined);
    const successor = this.#routing.successorOf(hash, request.prefix !== undefined);
    const { bytes, start, end } = request.mutation.key;
    const key = latin1(bytes, start, end);
    const sayable = isTextKey(bytes, start, end);
    const metaLine = encodeMetaOutcome(request, applied, prefix, expire, sayable);
    const deliveries: Delivery[] = [];
    const add = (node: ClusterNode, done: Delivery["done"]): void => {
      if (!waited && this.#isLeftOut(deliveries.length)) return done?.();
      const lane = this.#peers.lane(node, bytes, start, end);
      const noreply = request.noreply || (!waited && this.#window.passes(lane, this.options.noreplyWindowLimit));
      const line = sayable ? encodeOutcome(request, applied, prefix, key, expire, noreply) : undefined;
      const shape = noreply ? undefined : ReplyShape.line;
      if (isTouch(applied) && node.state !== NodeState.active) {
        // A running copy may bring the item later, with its old expiry: send the item of this version first.
        const item = sayable ? encodeSet(applied, prefix, key, "") : undefined;
        const metaItem =
          metaLine === undefined ? undefined : encodeReplicatedMetaSet(prefix, request.mutation.key, applied.entry);
        deliveries.push({ node, lane, line: item, metaLine: metaItem, shape: ReplyShape.line, done });
        // Nobody waits for the touch itself: a node without the new map forwards it, perhaps back to us.
        const touch = sayable ? encodeOutcome(request, applied, prefix, key, expire, true) : undefined;
        deliveries.push({ node, lane, line: touch, metaLine, shape: undefined, done: undefined });
        return;
      }
      deliveries.push({ node, lane, line, metaLine, shape, done });
    };
    const targets = replicas.filter((node) => !this.#wasSentTo(node, request.prefix));
    const sent = targets.map((node) => new Promise<FlareError | undefined>((resolve) => add(node, resolve)));
    if (successor !== undefined && !this.#wasSentTo(successor, request.prefix)) {
      sent.push(new Promise<FlareError | undefined>((resolve) => add(successor, resolve)));
    }
    const copiedBytes = deliveries.reduce((sum, { line, metaLine }) => sum + (metaLine ?? line ?? EMPTY_BYTES).length, 0);
    this.#pending += deliveries.length;
    this.#uncommitted += deliveries.length;
    this.#uncommittedBytes += copiedBytes;
    this.#storage.onCommit({
      onCommitted: (error) => {
        this.#uncommitted -= deliveries.length;
        this.#uncommittedBytes -= copiedBytes;
        for (const delivery of deliveries) {
          // A failed commit is rolled back here and must not exist anywhere else.
          if (error === undefined) this.#send(delivery);
          else this.#finish(delivery);
        }
      },
    });
    return Promise.all(sent).then((refusals) => refusals.find((refusal) => refusal !== undefined));
  }

  /** Whether a copy nobody waits for is dropped because too much is queued; counts and logs it. */
  #isLeftOut(others: number): boolean {
    const text = this.#crowdedBy(others + 1);
    if (text === undefined) return false;
    this.dropped++;
    this.#limitLog.write(`a write is not replicated, ${text}: a replica stays behind until it is copied again`);
    return true;
  }

  /** Why `copies` more copies exceed the number that can be queued; those of one write never do if the queues are empty. */
  #crowdedBy(copies: number): string | undefined {
    const { maxTotalThreadQueue } = this.options;
    if (maxTotalThreadQueue === 0) return undefined;
    const waiting = this.#peers.queue + this.#uncommitted;
    if (waiting === 0 || waiting + copies <= maxTotalThreadQueue) return undefined;
    return `${maxTotalThreadQueue} requests are already queued for other nodes (max-total-thread-queue)`;
  }

  /** Why a copy of about this many bytes cannot be queued: the lane that is full. */
  #fullLane(nodes: readonly ClusterNode[], { bytes, start, end }: KeySlice, valueBytes: number): string | undefined {
    const copyBytes = this.#uncommittedBytes + end - start + valueBytes + LINE_BYTES;
    const node = nodes.find((each) => !this.#peers.lane(each, bytes, start, end).hasRoom(copyBytes));
    return node === undefined ? undefined : `the queue to replica "${node.key}" is full`;
  }

  /** Resolves when no copy is in flight. */
  idle(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The first replica that cannot store the key of a write because it only has the text protocol. */
  async tooOldFor(request: Request, hash: number): Promise<ClusterNode | undefined> {
    const { bytes, start, end } = request.mutation.key;
    const preparing = this.#routing.preparingMasterOf(hash);
    const nodes = [
      ...this.#routing.replicasOf(hash, request.prefix !== undefined),
      ...(preparing === undefined ? [] : [preparing]),
    ];
    for (const node of nodes) {
      // An unreachable node gets no copy now, whatever it supports.
      const knows = await this.#peers
        .lane(node, bytes, start, end)
        .speaksMeta()
        .catch(() => true);
      if (!knows) return node;
    }
    return undefined;
  }

  #send(delivery: Delivery): void {
    const { lane, line, metaLine, shape, done } = delivery;
    // Nobody waits longer for an unreachable node; the copy is sent as soon as it is reachable.
    const onDelayed = (): void => done?.();
    const sent =
      metaLine === undefined && line !== undefined
        ? lane.repeat(line, shape, false, onDelayed)
        : sendMeta(lane, line, metaLine, shape, onDelayed);
    sent.then(
      ({ line: answer }) => {
        if (isError(answer)) {
          this.failures++;
          this.#failureLog.write(`"${delivery.node.key}" answered "${answer}" to a copy`);
        }
        this.#finish(delivery);
      },
      (error: Error) => {
        this.failures++;
        this.#failureLog.write(`replication to "${delivery.node.key}" failed: ${error.message}`);
        this.#finish(delivery, error instanceof FlareError && error.code === "LIMIT_EXCEEDED" ? error : undefined);
      },
    );
  }

  #finish({ done }: Delivery, refusal?: FlareError): void {
    done?.(refusal);
    this.#pending--;
    if (this.#pending === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  /**
   * A replica that does not know yet that it is one forwards its copies to the owner, perhaps through others: then it is after
   * us in the list of nodes. Sent to it again, a write would wait for its own answer.
   */
  #wasSentTo(node: ClusterNode, prefix: string | undefined): boolean {
    if (prefix === undefined) return false;
    const nodes = prefix.split(",");
    const self = nodes.indexOf(this.#selfKey);
    return self >= 0 && nodes.includes(node.key, self);
  }

  /** The node list with us at its end; undefined if we are already in it twice and the write is going round in a circle. */
  #prefixOf(request: Request): string | undefined {
    if (request.prefix === undefined || request.prefix === "") return `<${this.#selfKey}>`;
    const nodes = request.prefix.split(",");
    if (nodes.filter((node) => node === this.#selfKey).length >= 2) return undefined;
    return `<${request.prefix},${this.#selfKey}>`;
  }
}

/**
 * The outcome of a write as a line for other nodes, which makes them store the same.
 * @param prefix with its brackets, or empty
 */
export function encodeOutcome(
  request: Request,
  applied: Applied,
  prefix: string,
  key: string,
  expire: number,
  noreply: boolean,
): Uint8Array {
  switch (applied.result) {
    case MutationResult.deleted:
      return encodeReplicatedDelete(prefix, key, expire, applied.entry.version, encodeOptions(request, noreply));
    case MutationResult.touched:
    case MutationResult.won:
      return encodeTouch(prefix, key, applied.entry.expire, noreply);
    default:
      return encodeSet(applied, prefix, key, encodeOptions(request, noreply));
  }
}

/** Whether a replica failed to process a copy; having something newer is not an error. */
function isError(answer: string): boolean {
  return answer === "ERROR" || answer.startsWith("SERVER_ERROR") || answer.startsWith("CLIENT_ERROR");
}

/** The outcome as a meta line if a text line cannot represent the key, or would lose the item's marks; else undefined. */
function encodeMetaOutcome(
  request: Request,
  applied: Applied,
  prefix: string,
  expire: number,
  sayable: boolean,
): Uint8Array | undefined {
  const { entry, result } = applied;
  const { key } = request.mutation;
  if (result === MutationResult.deleted)
    return sayable ? undefined : encodeReplicatedMetaDelete(prefix, key, expire, entry.version);
  if (sayable && entry.marks === 0) return undefined;
  return isTouch(applied) ? encodeReplicatedMetaTouch(prefix, key, entry) : encodeReplicatedMetaSet(prefix, key, entry);
}

function isTouch({ result }: Applied): boolean {
  return result === MutationResult.touched || result === MutationResult.won;
}

/** Sends the meta line to a node with meta commands, else the text line, if there is one. @throws FlareError */
async function sendMeta(
  lane: Peer,
  line: Uint8Array | undefined,
  metaLine: Uint8Array | undefined,
  shape: ReplyShape | undefined,
  onDelayed: () => void,
): Promise<ClientReply> {
  // Without an await if the answer is known, so that writes of one key stay in order.
  const knows = lane.knowsMeta ?? (await lane.speaksMeta());
  if (knows && metaLine !== undefined) return lane.repeat(metaLine, ReplyShape.meta, true, onDelayed);
  if (line !== undefined) return lane.repeat(line, shape, false, onDelayed);
  throw new FlareError("UNSUPPORTED", `"${lane.peer}" cannot store a key with spaces or line ends`);
}

function encodeSet({ entry }: Applied, prefix: string, key: string, options: string): Uint8Array {
  const value = entry.bytes.subarray(entry.valueStart, entry.valueEnd);
  return encodeReplicatedSet(prefix, key, entry.flags, entry.expire, entry.version, value, options);
}
