/**
 * The master's part of the in-sync set (see `cluster/in_sync_set.ts`): which slaves a write has to reach before it is
 * acknowledged. A slave that missed a write is removed at the index server, however long that takes, and added again when it
 * has made a copy and missed nothing since. The master of a new partition, which takes over keys of this one, is such a replica
 * until it is active. It knows no writes and no connections to replicas; the replicator does.
 */

import { FlareError } from "../base/errors.ts";
import { PacedLog } from "../base/paced_log.ts";
import { sleep } from "../base/sleep.ts";
import type { Uint64 } from "../base/uint64.ts";
import { isNewMaster, type SetAnswer, type SetState } from "../cluster/in_sync_set.ts";
import { type ClusterNode, NodeRole, NodeState } from "../cluster/node.ts";
import { findNode } from "../cluster/node_map.ts";
import type { Routing } from "../cluster/routing.ts";
import { serverErrorLine } from "../protocol/text/server_error.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The index server. */
export interface SetKeeper {
  /** Asks it to remove (`prepare`) or to add a replica, by the map of this version; undefined = none answered. */
  changeSet(replica: ClusterNode, state: SetState, version: Uint64): Promise<SetAnswer | undefined>;
  /** Reports this node as down, so that a slave is promoted; false = no index server has heard it. */
  tellShutdown(): Promise<boolean>;
}

/** Settings that can change at run time. */
export interface InSyncOptions {
  /** How long a replica may leave a copy unanswered, and then the index server the request to remove the replica. */
  readonly replicationTimeoutMs: number;
}

/** What the master knows of a slave beside its entry in the node map. */
interface SlaveRecord {
  /** It is out since this version of the map, which says that it is active: the next one is on its way. */
  removedIn: Uint64 | undefined;
  /** It counts as active from this version of the map on, whatever the map says. */
  addedIn: Uint64 | undefined;
  /** By this version of the map it could not be removed: it is not one of our nodes, or the index server is not. */
  legacyIn: Uint64 | undefined;
  /** The log says that it cannot be removed. */
  isLegacyLogged: boolean;
  /** When it began its copy, on the monotonic clock. */
  copyBeganMs: number | undefined;
  /** Why it lacks a write that is not in its copy. */
  missed: string | undefined;
  /** Why and when it was taken out last, on the monotonic clock; undefined while it is in the set. */
  out: { readonly reason: string; readonly sinceMs: number } | undefined;
  /** Under way; resolves to why a write that waits for it is in doubt. */
  removal: Promise<FlareError | undefined> | undefined;
  /** Under way; resolves to the answer to the slave. */
  addition: Promise<string> | undefined;
}

/** The pause before the index server is asked again, unless a new map comes before. */
const RETRY_MS = 500;
/** By how many maps a slave is added before it has to ask again. */
const ADDITIONS_MAX = 5;
/** The same trouble is logged at most once in this time. */
const TROUBLE_LOG_MS = 10000;
const NOT_MASTER = "this node is no longer the master";
const TAKEN_OVER = "it has taken the key over";

export class InSyncReplicas {
  /** Whether the index server keeps in-sync sets: the original does not. */
  readonly isKept: boolean;
  /** Slaves removed, since the start. */
  removals = 0;
  /** Reloadable. */
  options: InSyncOptions;
  readonly #runtime: Runtime;
  readonly #routing: Routing;
  readonly #keeper: SetKeeper;
  readonly #records = new Map<string, SlaveRecord>();
  readonly #troubleLog: PacedLog;
  /** Called with the next map. */
  readonly #waiting: (() => void)[] = [];
  #stopped = false;
  #makingWay = false;

  constructor(runtime: Runtime, routing: Routing, keeper: SetKeeper, isKept: boolean, options: InSyncOptions) {
    this.#runtime = runtime;
    this.#routing = routing;
    this.#keeper = keeper;
    this.isKept = isKept;
    this.options = options;
    this.#troubleLog = new PacedLog(runtime, "warning", TROUBLE_LOG_MS);
    if (!isKept) {
      const text = "the index server keeps no in-sync sets: a slave that misses writes stays active, replication is legacy";
      runtime.log.write("warning", text);
    }
  }

  /** Whether slaves are not taken out that miss writes: replication is as safe as the original's. */
  get isLegacy(): boolean {
    if (!this.isKept) return true;
    for (const { legacyIn } of this.#records.values()) if (legacyIn !== undefined) return true;
    return false;
  }

  /** Why a slave is not in the set, if that is known. */
  whyOut(key: string): string | undefined {
    const record = this.#records.get(key);
    return record?.missed ?? record?.out?.reason;
  }

  /** Whether a write must not be acknowledged before this replica of ours has it. */
  isMember(replica: ClusterNode): boolean {
    const record = this.#records.get(replica.key);
    if (record?.removedIn !== undefined) return false;
    return isIn(replica) || record?.addedIn !== undefined;
  }

  /** Whether a write may be acknowledged that this node lacks: by our map it is out of the set, and has taken no keys over. */
  mayLack(node: ClusterNode): boolean {
    if (!this.isKept) return true;
    if (!this.#isMaster) return false;
    const replica = this.#replica(node.key);
    return replica === undefined ? !this.#ownsKeys(node) : !this.isMember(replica);
  }

  /** Whether a node that lacks a write has to be taken out of the set: it is in it. */
  awaits({ key }: ClusterNode): boolean {
    const replica = this.#replica(key);
    return this.isKept && !this.#stopped && replica !== undefined && this.isMember(replica);
  }

  /**
   * A slave lacks a write that was sent at `sentMs`: removes it, if it is in the set. Undefined: nobody has to wait for it; the
   * promise resolves when nobody has to wait any longer, or to why a write that waits is in doubt.
   * @param node as it was in the map when the write was sent
   */
  missed(node: ClusterNode, sentMs: number, reason: string): Promise<FlareError | undefined> | undefined {
    if (!this.isKept) return undefined;
    if (this.#replica(node.key) === undefined) return this.#takeOut(node, reason);
    const record = this.#record(node.key);
    // A copy that began later has it.
    if (record.copyBeganMs === undefined || sentMs >= record.copyBeganMs) record.missed ??= reason;
    return this.#takeOut(node, reason);
  }

  /** A slave does not get every write in time, but may still get it: as `missed`, unless it is not in the set. */
  late(node: ClusterNode, reason: string): Promise<FlareError | undefined> | undefined {
    return this.isKept ? this.#takeOut(node, reason) : undefined;
  }

  /**
   * A slave of the set has writes of this master that were lost here, with the power for example: it must be the master now.
   * Returns whether it will be; called again until it is.
   */
  makeWay(key: string): boolean {
    if (!this.isKept) return false;
    if (this.#makingWay) return true;
    this.#makingWay = true;
    this.#runtime.log.write(
      "warning",
      `replica "${key}" has writes that this node has lost: this master makes way for a slave`,
    );
    void this.#keeper.tellShutdown().then(async (isTold) => {
      if (!isTold) this.#troubleLog.write("no index server has heard that this master makes way for a slave");
      await sleep(this.#runtime.clock, isTold ? this.options.replicationTimeoutMs : RETRY_MS);
      this.#makingWay = false;
    });
    return true;
  }

  /** A slave lacks what others have now; resolves to whether it copies everything again before it counts. */
  async copiesAgain(node: ClusterNode, reason: string): Promise<boolean> {
    if (!this.isKept || (await this.missed(node, this.#runtime.clock.monotonicMs(), reason)) !== undefined) return false;
    const replica = this.#replica(node.key);
    return replica === undefined || !this.isMember(replica);
  }

  /** A slave begins a copy: what it missed before will be in it. Later writes go to it only if our map has it as a slave. */
  copyBegins(key: string): void {
    if (this.#replica(key) === undefined) return;
    const record = this.#record(key);
    record.copyBeganMs = this.#runtime.clock.monotonicMs();
    record.missed = undefined;
  }

  /**
   * A slave has completed its copy: adds it to the set; resolves to the answer.
   * @param settled resolves when every copy sent to it so far is answered or has failed, with the reason if it lacks one
   */
  async add(key: string, settled: () => Promise<string | undefined>): Promise<string> {
    if (!this.isKept) return "ERROR";
    if (this.#replica(key) === undefined) return serverErrorLine(`"${key}" is not a slave of this node`);
    const record = this.#record(key);
    if (record.removal !== undefined || record.addition !== undefined)
      return serverErrorLine(`"${key}" is already being changed`);
    record.addition = this.#add(key, record, settled);
    try {
      return await record.addition;
    } finally {
      record.addition = undefined;
    }
  }

  /** There is a new map. */
  mapChanged(): void {
    const { version } = this.#routing.nodeMap;
    for (const [key, record] of this.#records) {
      if (findNode(this.#routing.nodeMap, key) === undefined) this.#records.delete(key);
      if (record.removedIn !== undefined && record.removedIn < version) record.removedIn = undefined;
      if (record.addedIn !== undefined && record.addedIn < version) record.addedIn = undefined;
      if (record.legacyIn !== undefined && record.legacyIn < version) record.legacyIn = undefined;
      const replica = this.#replica(key);
      // It gets no writes any more.
      if (replica === undefined) record.copyBeganMs = undefined;
      if (replica !== undefined && isIn(replica) && record.removedIn === undefined) this.#isBack(key, record);
      // It became active without us.
      const isWrong = record.missed !== undefined && record.removal === undefined && record.addition === undefined;
      if (isWrong && replica !== undefined && this.isMember(replica))
        void this.#beginRemoval(replica, record, record.missed as string);
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Ends everything under way. */
  stop(): void {
    this.#stopped = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The node `key`, if it is a replica of the partition we are master of. */
  #replica(key: string): ClusterNode | undefined {
    const { self, nodeMap } = this.#routing;
    const node = findNode(nodeMap, key);
    if (node === undefined || self === undefined || !this.#isMaster || key === self.key) return undefined;
    if (isNewMaster(node)) return isNewMaster(self) ? undefined : node;
    const isSlave = node.role === NodeRole.slave && node.state !== NodeState.down && node.partition === self.partition;
    return isSlave ? node : undefined;
  }

  /**
   * Whether a node is the master of an active partition, or was that of a new one which has taken keys of ours over since then:
   * whoever owns them now, even if it is down, may lack what this node lacked.
   */
  #ownsKeys({ key, role, partition }: ClusterNode): boolean {
    const { nodeMap, partitionMap } = this.#routing;
    if (role === NodeRole.master && partition < partitionMap.active.length) return true;
    const node = findNode(nodeMap, key);
    return node?.role === NodeRole.master && node.state === NodeState.active;
  }

  /** One that is down in the map sends its slaves nothing. */
  get #isMaster(): boolean {
    const { self } = this.#routing;
    return self?.role === NodeRole.master && self.state !== NodeState.down;
  }

  /** A slave that was out may be in the set again by the map. */
  #isBack(key: string, record: SlaveRecord): void {
    if (record.out === undefined || record.removal !== undefined || record.missed !== undefined) return;
    const outMs = Math.round(this.#runtime.clock.monotonicMs() - record.out.sinceMs);
    this.#runtime.log.write("notice", `replica "${key}" is in the in-sync set again, after ${outMs} ms`);
    record.out = undefined;
  }

  /** Removes a slave that is in the set; see `missed` for the result. */
  #takeOut(node: ClusterNode, reason: string): Promise<FlareError | undefined> | undefined {
    const { nodeMap } = this.#routing;
    if (!this.#isMaster) return Promise.resolve(doubt(node.key, NOT_MASTER));
    const replica = this.#replica(node.key);
    if (replica === undefined) return this.#ownsKeys(node) ? Promise.resolve(doubt(node.key, TAKEN_OVER)) : undefined;
    if (!this.isMember(replica)) return undefined;
    const record = this.#record(node.key);
    if (record.legacyIn === nodeMap.version) return undefined;
    return record.removal ?? this.#beginRemoval(node, record, reason);
  }

  #record(key: string): SlaveRecord {
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    const record: SlaveRecord = {
      removedIn: undefined,
      addedIn: undefined,
      legacyIn: undefined,
      isLegacyLogged: false,
      copyBeganMs: undefined,
      missed: undefined,
      out: undefined,
      removal: undefined,
      addition: undefined,
    };
    this.#records.set(key, record);
    return record;
  }

  /** Removes a slave; the promise does not wait for an index server that is unreachable. */
  #beginRemoval(node: ClusterNode, record: SlaveRecord, reason: string): Promise<FlareError | undefined> {
    const { clock } = this.#runtime;
    const { key } = node;
    this.#troubleLog.write(`replica "${key}" is not in sync: ${reason}`);
    record.out = { reason, sinceMs: clock.monotonicMs() };
    record.removal = new Promise((resolve) => {
      const late = clock.setTimer(
        () => resolve(doubt(key, "no index server has taken it out of the in-sync set")),
        this.options.replicationTimeoutMs,
      );
      void this.#remove(node, record).then((fault) => {
        clock.clearTimer(late);
        record.removal = undefined;
        resolve(fault);
      });
    });
    return record.removal;
  }

  /** Asks until the slave is out, or is no concern of ours. */
  async #remove(node: ClusterNode, record: SlaveRecord): Promise<FlareError | undefined> {
    const { key } = node;
    while (!this.#stopped) {
      await record.addition;
      const { nodeMap } = this.#routing;
      if (!this.#isMaster) return doubt(key, NOT_MASTER);
      const replica = this.#replica(key);
      if (replica === undefined) return this.#ownsKeys(node) ? doubt(key, TAKEN_OVER) : undefined;
      if (!this.isMember(replica) || record.legacyIn === nodeMap.version) return undefined;
      const answer = await this.#keeper.changeSet(replica, "prepare", nodeMap.version);
      switch (answer?.kind) {
        case "changed":
        case "out":
          this.removals++;
          record.removedIn = nodeMap.version;
          record.addedIn = undefined;
          this.#runtime.log.write("warning", `replica "${key}" was taken out of the in-sync set: ${record.out?.reason}`);
          // The next map may be here already.
          this.mapChanged();
          return undefined;
        case "legacy":
          record.legacyIn = nodeMap.version;
          record.out = undefined;
          if (!record.isLegacyLogged) {
            const text = `replica "${key}" cannot be taken out of the in-sync set: it stays active, replication is legacy`;
            this.#runtime.log.write("warning", text);
          }
          record.isLegacyLogged = true;
          return undefined;
        case "refused":
          this.#troubleLog.write(`index server answered "${answer.text}" to the removal of replica "${key}"`);
      }
      await this.#nextMap(nodeMap.version);
    }
    return doubt(key, "this node is stopping");
  }

  /** Asks by one map after the other, because it may be changing. */
  async #add(key: string, record: SlaveRecord, settled: () => Promise<string | undefined>): Promise<string> {
    for (let attempt = 0; attempt < ADDITIONS_MAX; attempt++) {
      const replica = this.#replica(key);
      if (replica === undefined) return serverErrorLine(`"${key}" is not a slave of this node`);
      if (record.copyBeganMs === undefined) return copyAgain("this node did not send it writes when its copy began");
      const { version } = this.#routing.nodeMap;
      const outcome = await this.#addBy(version, replica, record, settled);
      if (record.missed !== undefined) {
        record.addedIn = undefined;
        return copyAgain(record.missed);
      }
      if (outcome !== "outdated") return outcome;
      await this.#nextMap(version);
    }
    return serverErrorLine("the node map is changing");
  }

  /** Adds a slave by the map of this version; resolves to the answer, or to `outdated`. */
  async #addBy(
    version: Uint64,
    replica: ClusterNode,
    record: SlaveRecord,
    settled: () => Promise<string | undefined>,
  ): Promise<string> {
    if (record.missed !== undefined || (record.removedIn !== undefined && isIn(replica))) return "outdated";
    // From now on writes wait for it; those that did not are answered when it is added.
    record.removedIn = undefined;
    record.addedIn ??= version;
    const lack = await this.#inTime(settled(), `copies to "${replica.key}" are not answered yet`);
    if (lack !== undefined || record.missed !== undefined || this.#routing.nodeMap.version !== version) {
      record.addedIn = undefined;
      return lack === undefined ? "outdated" : serverErrorLine(lack);
    }
    // The master of a new partition asks the index server itself, when everybody whose keys it takes over has agreed.
    if (replica.role === NodeRole.master) return "OK";
    const answer = await this.#keeper.changeSet(replica, "active", version);
    if (answer?.kind === "changed") return "OK";
    // Without an answer it may be active.
    if (answer !== undefined) record.addedIn = undefined;
    if (answer?.kind === "outdated") return "outdated";
    return serverErrorLine(`the index server did not make "${replica.key}" active: ${answer?.kind ?? "no answer"}`);
  }

  /** What `done` resolves to, or `late` if it takes longer than a copy may be unanswered. */
  async #inTime(done: Promise<string | undefined>, late: string): Promise<string | undefined> {
    return Promise.race([done, sleep(this.#runtime.clock, this.options.replicationTimeoutMs).then(() => late)]);
  }

  /** Waits for a map of another version than this one, but not for long. */
  async #nextMap(version: Uint64): Promise<void> {
    if (this.#routing.nodeMap.version !== version) return;
    const next = new Promise<void>((resolve) => this.#waiting.push(resolve));
    await Promise.race([next, sleep(this.#runtime.clock, RETRY_MS)]);
  }
}

/** Begins the answer to a slave that is catching up. */
export const STILL_BEHIND = "SERVER_ERROR still behind";

/** Begins the answer to a slave that has to copy again. */
export const COPY_AGAIN = "SERVER_ERROR copy again";

function copyAgain(reason: string): string {
  return serverErrorLine(`copy again: ${reason}`);
}

function doubt(key: string, reason: string): FlareError {
  return new FlareError("IN_DOUBT", `in doubt: written here, but not confirmed by replica "${key}" (${reason})`);
}

/** Whether a replica is in the set by the map. */
function isIn(replica: ClusterNode): boolean {
  return replica.state === (replica.role === NodeRole.master ? NodeState.ready : NodeState.active);
}
