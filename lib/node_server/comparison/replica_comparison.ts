/**
 * The master's comparison of its partition with a replica, while both serve: a range of keys at a time, first its digests, then
 * the items of a range whose digests differ, then the keys that differ, as often as it takes to tell a difference from a change
 * on its way. Every page begins where the one before ended; nothing is kept in between. It knows no repair; `key_repair.ts`
 * does.
 */

import { compareBytes, EMPTY_BYTES, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import { type ClusterNode, NodeRole, NodeState } from "../../cluster/node.ts";
import { findNode } from "../../cluster/node_map.ts";
import {
  type ComparePage,
  type Difference,
  encodeDigestRequest,
  type ItemState,
  type KeyRange,
  type PartName,
  parseDigestLine,
  parseItemStates,
  type RangeDigest,
  type RangeItems,
} from "../../protocol/comparison.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { within } from "../life/gate.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";
import { Turnstile } from "../scan/turnstile.ts";
import type { KeyRepair } from "./key_repair.ts";
import type { OwnItems } from "./own_items.ts";

/** Slices of a range here, and the most a replica reads to answer for it: it may have more items there. */
const RANGE_SLICES = 2;
export const ANSWER_SLICES_MAX = 8;
/** Keys of a question for single keys, and their bytes. */
const QUESTION_KEYS_MAX = 50;
const QUESTION_BYTES_MAX = 16384;
/** How often keys that differ are looked at, with this pause in between. */
const LOOKS_MAX = 10;
const LOOK_PAUSE_MS = 200;
/** No further look after this time. */
const LOOKS_MS_MAX = 3000;
/** A key differs if this many looks in a row have found the same two states. */
const SAME_LOOKS = 2;
/** How long the replica may take to answer the writes that it was sent before a look. */
const SETTLE_MS_MAX = 2000;
/** An item that expires within this time may be gone on one node: their clocks differ. */
const CLOCK_SKEW_SECONDS = 10;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "inSync" | "replicator" | "routing" | "runtime" | "scanPeers" | "selfKey">;

/** A key whose states differ. */
interface Suspect {
  readonly key: Uint8Array;
  master: ItemState | undefined;
  replica: ItemState | undefined;
  /** Looks in a row that have found these two states. */
  sameLooks: number;
}

/** The states of some keys by their bytes, as a latin-1 string. */
type States = ReadonlyMap<string, ItemState>;

export class ReplicaComparison {
  readonly #parts: Parts;
  readonly #own: OwnItems;
  readonly #repair: KeyRepair;
  readonly #turnstile = new Turnstile(1);

  constructor(parts: Parts, own: OwnItems, repair: KeyRepair) {
    this.#parts = parts;
    this.#own = own;
    this.#repair = repair;
  }

  /** The active slaves of the partition this node is the master of. */
  get replicas(): readonly ClusterNode[] {
    const { self, nodeMap } = this.#parts.routing;
    if (self?.role !== NodeRole.master || self.state !== NodeState.active) return [];
    return nodeMap.nodes.filter(
      ({ role, state, partition }) => role === NodeRole.slave && state === NodeState.active && partition === self.partition,
    );
  }

  /**
   * Compares at least one range after `after`, and further ones as long as the time `pageMs` is not over and nothing differs.
   * @param repair writes the keys that differ once more
   * @throws FlareError UNSUPPORTED: the replica knows no comparison | REFUSED: it is not an active slave of this node, or its
   * map differs | TIMED_OUT: it does not keep up with the writes | what reading here or asking it throws
   */
  page(replicaKey: string, after: Uint8Array, repair: boolean, pageMs: number): Promise<ComparePage> {
    return this.#turnstile.pass(() => this.#page(replicaKey, after, repair, pageMs));
  }

  async #page(replicaKey: string, after: Uint8Array, repair: boolean, pageMs: number): Promise<ComparePage> {
    const { routing, runtime } = this.#parts;
    const replica = this.replicas.find(({ key }) => key === replicaKey);
    if (replica === undefined) throw new FlareError("REFUSED", this.#whyNot(replicaKey), { retriable: true });
    const part = { partition: replica.partition, count: routing.partitionMap.active.length };
    const startedMs = runtime.clock.monotonicMs();
    let page: ComparePage = { differences: [], items: 0, busy: 0, reached: after };
    do {
      const next = await this.#compareRange(replica, part, page.reached ?? EMPTY_BYTES, repair);
      page = { ...next, items: page.items + next.items, busy: page.busy + next.busy };
    } while (page.reached !== undefined && page.differences.length === 0 && runtime.clock.monotonicMs() - startedMs < pageMs);
    return page;
  }

  #whyNot(replicaKey: string): string {
    const { nodeMap, self } = this.#parts.routing;
    if (self?.role !== NodeRole.master) return `this node is not the master of a partition, by node map ${nodeMap.version}`;
    const node = findNode(nodeMap, replicaKey);
    const isSlave = node?.role === NodeRole.slave && node.partition === self.partition;
    return isSlave ? `slave "${replicaKey}" is not active` : `"${replicaKey}" is not a slave of this node`;
  }

  async #compareRange(replica: ClusterNode, part: PartName, after: Uint8Array, repair: boolean): Promise<ComparePage> {
    const own = await this.#own.digest(part, { after, to: undefined }, RANGE_SLICES);
    const range = { after, to: own.reached };
    const theirs = await this.#askDigest(replica, part, range);
    if (theirs.reached === undefined && theirs.items === own.items && theirs.digest === own.digest) {
      return { differences: [], items: own.items, busy: 0, reached: own.reached };
    }
    const found = await this.#suspectsIn(replica, part, range);
    const settled = await this.#settle(replica, part, found.suspects);
    const { items, reached } = found;
    if (!repair) return { differences: settled.differences.map(unrepaired), items, busy: settled.busy.length, reached };
    const repaired = await this.#repairAll(replica, part, settled.differences);
    return { differences: repaired.differences, items, busy: settled.busy.length + repaired.busy, reached };
  }

  /** The keys of a range, as far as the replica's answer goes, that have different states. */
  async #suspectsIn(
    replica: ClusterNode,
    part: PartName,
    range: KeyRange,
  ): Promise<{ suspects: Suspect[]; items: number; reached: Uint8Array | undefined }> {
    const theirs = await this.#askItems(replica, part, range);
    const own = await this.#own.items(part, { ...range, to: theirs.reached ?? range.to }, ANSWER_SLICES_MAX);
    // Our range may have grown meanwhile; what is beyond the nearer of the two ends comes with the next one.
    const reached = nearer(own.reached, theirs.reached ?? range.to);
    const ours = statesOf(own.items.filter(({ key }) => isWithin(key, reached)));
    const found = statesOf(theirs.items.filter(({ key }) => isWithin(key, reached)));
    return {
      suspects: this.#differing([...new Set([...ours.keys(), ...found.keys()])], ours, found),
      items: ours.size,
      reached,
    };
  }

  #differing(names: readonly string[], ours: States, theirs: States): Suspect[] {
    const now = nowSeconds(this.#parts);
    const suspects: Suspect[] = [];
    for (const name of names) {
      const [master, replica] = [ours.get(name), theirs.get(name)];
      const key = (master ?? replica)?.key;
      if (key !== undefined && !isSame(master, replica, now)) suspects.push({ key, master, replica, sameLooks: 0 });
    }
    return suspects;
  }

  /** Looks again until each of the keys is the same, or differs for good, or has changed too often. */
  async #settle(
    replica: ClusterNode,
    part: PartName,
    suspects: readonly Suspect[],
  ): Promise<{ differences: Suspect[]; busy: readonly Suspect[] }> {
    const { runtime, inSync } = this.#parts;
    // Without in-sync sets nobody knows which writes the replica has not answered yet: only time tells.
    const wanted = inSync.isKept ? SAME_LOOKS : LOOKS_MAX;
    const differences: Suspect[] = [];
    const endMs = runtime.clock.monotonicMs() + LOOKS_MS_MAX;
    let open = suspects;
    for (let look = 1; open.length > 0 && look <= LOOKS_MAX && runtime.clock.monotonicMs() < endMs; look++) {
      if (look > 1) await sleep(runtime.clock, LOOK_PAUSE_MS);
      const seen = await this.#look(replica, part, open);
      for (const suspect of seen) if (suspect.sameLooks >= wanted) differences.push(suspect);
      open = seen.filter(({ sameLooks }) => sameLooks < wanted);
    }
    return { differences, busy: open };
  }

  /**
   * Looks at keys once more; returns those that still differ, or may. A state that the master had when the replica had answered
   * all writes before, and still has after the replica was asked, is one that the replica must have.
   */
  async #look(replica: ClusterNode, part: PartName, suspects: readonly Suspect[]): Promise<Suspect[]> {
    const keys = suspects.map(({ key }) => key);
    const before = statesOf(await this.#own.keys(part, keys));
    await this.#settled(replica);
    const theirs = statesOf(await this.#askKeys(replica, part, keys));
    const after = statesOf(await this.#own.keys(part, keys));
    const now = nowSeconds(this.#parts);
    const left: Suspect[] = [];
    for (const suspect of suspects) {
      const name = latin1(suspect.key);
      const [master, found] = [after.get(name), theirs.get(name)];
      const isStill = isEqual(before.get(name), master);
      if (isStill && isSame(master, found, now)) continue;
      const isAsBefore = isStill && isEqual(suspect.master, master) && isEqual(suspect.replica, found);
      left.push({
        key: suspect.key,
        master,
        replica: found,
        sameLooks: isStill ? (isAsBefore ? suspect.sameLooks + 1 : 1) : 0,
      });
    }
    return left;
  }

  /** Waits for the replica's answers to everything it was sent. @throws FlareError TIMED_OUT */
  async #settled({ key }: ClusterNode): Promise<void> {
    const { replicator, runtime } = this.#parts;
    if (await within(runtime.clock, SETTLE_MS_MAX, replicator.settled(key))) return;
    const text = `slave "${key}" has not answered earlier writes for ${SETTLE_MS_MAX} ms`;
    throw new FlareError("TIMED_OUT", text, { retriable: true });
  }

  /** Writes the keys once more, and looks what differs then. A key that a client has written meanwhile needs no repair. */
  async #repairAll(
    replica: ClusterNode,
    part: PartName,
    suspects: readonly Suspect[],
  ): Promise<{ differences: Difference[]; busy: number }> {
    const rewritten = new Set<string>();
    for (const { key, master, replica: found } of suspects) {
      if (await this.#repair.rewrite(key, master, found)) rewritten.add(latin1(key));
    }
    const settled = await this.#settle(replica, part, suspects);
    const left = new Set([...settled.differences, ...settled.busy].map(({ key }) => latin1(key)));
    const repaired = suspects.filter(({ key }) => rewritten.has(latin1(key)) && !left.has(latin1(key)));
    const differences = [
      ...repaired.map((suspect) => ({ ...unrepaired(suspect), isRepaired: true })),
      ...settled.differences.map(unrepaired),
    ];
    return { differences, busy: settled.busy.length };
  }

  async #askDigest(replica: ClusterNode, part: PartName, range: KeyRange): Promise<RangeDigest> {
    const answer = await this.#ask(replica, encodeDigestRequest({ ...part, ...range, of: "range" }), ReplyShape.line);
    const digest = parseDigestLine(answer.line);
    if (digest === undefined || !isAhead(digest.reached, range)) throw refusal(replica, answer);
    return digest;
  }

  async #askItems(replica: ClusterNode, part: PartName, range: KeyRange): Promise<RangeItems> {
    const answer = await this.#ask(replica, encodeDigestRequest({ ...part, ...range, of: "items" }), ReplyShape.scan);
    const items = parseItemStates(answer);
    if (items === undefined || !isAhead(items.reached, range)) throw refusal(replica, answer);
    return items;
  }

  async #askKeys(replica: ClusterNode, part: PartName, keys: readonly Uint8Array[]): Promise<ItemState[]> {
    const states: ItemState[] = [];
    for (const some of questions(keys)) {
      const answer = await this.#ask(replica, encodeDigestRequest({ ...part, of: "keys", keys: some }), ReplyShape.scan);
      const items = parseItemStates(answer);
      if (items === undefined) throw refusal(replica, answer);
      states.push(...items.items);
    }
    return states;
  }

  #ask(replica: ClusterNode, line: Uint8Array, shape: ReplyShape): Promise<ClientReply> {
    return this.#parts.scanPeers.lane(replica, EMPTY_BYTES, 0, 0).request(line, shape);
  }
}

function unrepaired({ key, master, replica }: Suspect): Difference {
  return { key, masterVersion: master?.version, replicaVersion: replica?.version, isRepaired: false };
}

function statesOf(items: readonly ItemState[]): Map<string, ItemState> {
  return new Map(items.map((item) => [latin1(item.key), item]));
}

function isEqual(left: ItemState | undefined, right: ItemState | undefined): boolean {
  return left?.digest === right?.digest;
}

/** Whether two replicas count as equal about a key: they are, or the item expires just now. */
function isSame(left: ItemState | undefined, right: ItemState | undefined, nowSeconds: number): boolean {
  if (isEqual(left, right)) return true;
  if (left !== undefined && right !== undefined) return false;
  const expire = (left ?? right)?.expire ?? 0;
  return expire > 0 && expire <= nowSeconds + CLOCK_SKEW_SECONDS;
}

/** The nearer of two ends; undefined is the end of all keys. */
function nearer(left: Uint8Array | undefined, right: Uint8Array | undefined): Uint8Array | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return compareBytes(left, right) <= 0 ? left : right;
}

function isWithin(key: Uint8Array, end: Uint8Array | undefined): boolean {
  return end === undefined || compareBytes(key, end) <= 0;
}

/** Whether an answer ends behind the start of its range: a comparison that makes no progress would never end. */
function isAhead(reached: Uint8Array | undefined, { after }: KeyRange): boolean {
  return reached === undefined || compareBytes(reached, after) > 0;
}

/** The keys in groups that fit into a question. */
function* questions(keys: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const key of keys) {
    if (group.length === QUESTION_KEYS_MAX || (group.length > 0 && bytes + key.length > QUESTION_BYTES_MAX)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(key);
    bytes += key.length;
  }
  if (group.length > 0) yield group;
}

function refusal({ key }: ClusterNode, { line }: ClientReply): FlareError {
  if (line === "ERROR") return new FlareError("UNSUPPORTED", `"${key}" does not know the comparison of replicas`);
  if (!/^(SERVER|CLIENT)_ERROR /.test(line)) return new FlareError("CORRUPT", `"${key}" sent a malformed answer`);
  return new FlareError("REFUSED", `"${key}" answered "${line}"`, { retriable: line.startsWith("SERVER_ERROR") });
}
