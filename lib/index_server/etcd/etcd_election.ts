/**
 * The election of a leading index server in etcd: a key beside the map's, attached to a lease that its leader keeps alive. The
 * key is created by a transaction that compares its revision, so one of several candidates gets it; it is gone when the lease
 * ends, or is revoked.
 */

import { FlareError } from "../../base/errors.ts";
import type { Election, Leader, Standing } from "../coordinator.ts";
import { decodeLeader, encodeLeader } from "../leader_record.ts";
import { isSameServer } from "../shared_lease.ts";
import { ABSENT, type EtcdClient, type Json, RANGE, TRANSACTION } from "./etcd_client.ts";

const GRANT = "/v3/lease/grant";
const KEEP_ALIVE = "/v3/lease/keepalive";
const REVOKE = "/v3/lease/revoke";
/** What is appended to the map's key. */
const KEY_END = "/leader";

/** A lease of our own. */
interface Lease {
  readonly id: string;
  readonly lengthMs: number;
}

/** The key as it was found. */
interface Found {
  readonly leader: Leader;
  readonly revision: string;
  readonly lease: string;
}

export class EtcdElection implements Election {
  readonly #client: EtcdClient;
  readonly #key: string;
  #lease: Lease | undefined;

  /** @param mapKey the key of the node map */
  constructor(client: EtcdClient, mapKey: string) {
    this.#client = client;
    this.#key = `${mapKey}${KEY_END}`;
  }

  async campaign(candidate: Leader, leaseMs: number, isRestart: boolean): Promise<Standing> {
    const { kvs } = await this.#client.read(RANGE, { key: btoa(this.#key) });
    const found = this.#foundIn(kvs);
    if (found !== undefined && found.lease === this.#lease?.id) {
      if (await this.#keepAlive(this.#lease)) return { leader: found.leader, isOwn: true, leaseMs: this.#lease.lengthMs };
      // It has ended in this moment, with its key.
      this.#lease = undefined;
      return { leader: undefined, isOwn: false, leaseMs };
    }
    if (found !== undefined && !(isRestart && isSameServer(found.leader, candidate))) {
      return { leader: found.leader, isOwn: false, leaseMs };
    }
    // What is left of an earlier lease of ours has no key any more: it ends by itself.
    const lease = await this.#grant(leaseMs);
    this.#lease = lease;
    return this.#take(candidate, lease, found?.revision ?? ABSENT);
  }

  async resign(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#client.write(REVOKE, { ID: lease.id });
  }

  /** Replaces the key if it still has this revision. */
  async #take(candidate: Leader, lease: Lease, revision: string): Promise<Standing> {
    const key = btoa(this.#key);
    const answer = await this.#client.write(TRANSACTION, {
      compare: [{ key, target: "MOD", result: "EQUAL", modRevision: revision }],
      success: [{ requestPut: { key, value: btoa(encodeLeader(candidate)), lease: lease.id } }],
      failure: [{ requestRange: { key } }],
    });
    if (answer.succeeded === true) return { leader: candidate, isOwn: true, leaseMs: lease.lengthMs };
    const [response] = Array.isArray(answer.responses) ? (answer.responses as Json[]) : [];
    const found = this.#foundIn((response?.response_range as Json | undefined)?.kvs);
    return { leader: found?.leader, isOwn: false, leaseMs: lease.lengthMs };
  }

  async #grant(leaseMs: number): Promise<Lease> {
    const { ID, TTL } = await this.#client.write(GRANT, { TTL: String(Math.ceil(leaseMs / 1000)) });
    const lengthMs = Number(TTL) * 1000;
    if (typeof ID === "string" && lengthMs > 0) return { id: ID, lengthMs };
    throw new FlareError("REFUSED", `etcd granted no lease: ID ${ID}, TTL ${TTL}`, { retriable: true });
  }

  /** Whether the lease lasts from now on for its whole length. */
  async #keepAlive({ id, lengthMs }: Lease): Promise<boolean> {
    const { result } = await this.#client.read(KEEP_ALIVE, { ID: id });
    return Number((result as Json | undefined)?.TTL ?? 0) * 1000 >= lengthMs;
  }

  #foundIn(kvs: unknown): Found | undefined {
    const [entry] = Array.isArray(kvs) ? (kvs as Json[]) : [];
    if (entry === undefined) return undefined;
    const leader = decodeLeader(atob(String(entry.value ?? "")), `the key "${this.#key}" of etcd`);
    return { leader, revision: String(entry.mod_revision), lease: String(entry.lease ?? "") };
  }
}
