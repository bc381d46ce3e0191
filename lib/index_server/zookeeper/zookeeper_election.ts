/**
 * The election of a leading index server in ZooKeeper: an ephemeral znode beside the map's, in a session of its own that only
 * campaigns keep alive, so the session is the lease. The znode is made under the lock of the map, so that nobody replaces the
 * one of another leader.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Election, Leader, Standing } from "../coordinator.ts";
import { decodeLeader, encodeLeader } from "../leader_record.ts";
import { isSameServer } from "../shared_lease.ts";
import { create, getData, Kind, type Permission, remove, sync, transaction } from "./requests.ts";
import { type LockPlace, ZnodeLock } from "./znode_lock.ts";
import { ZooKeeperClient, type ZooKeeperServers } from "./zookeeper_client.ts";

/** What an election needs. */
export interface ElectionPlace {
  readonly servers: ZooKeeperServers;
  /** The znode of the leader. */
  readonly path: string;
  readonly permission: Permission;
  readonly lock: LockPlace;
  /** Makes the znodes that have to be there, if the cluster is new. */
  prepare(): Promise<void>;
}

/**
 * A session lasts this much longer than the lease: the server that hears of its owner passes that on to ZooKeeper's leader a
 * moment later, and not at all if it dies.
 */
const SESSION_PER_LEASE = 1.5;

/** The znode as it was found. */
interface Found {
  readonly leader: Leader;
  readonly owner: bigint;
}

/** A session with what belongs to it. */
interface Campaign {
  readonly client: ZooKeeperClient;
  readonly lock: ZnodeLock;
}

export class ZooKeeperElection implements Election {
  readonly #runtime: Runtime;
  readonly #place: ElectionPlace;
  #campaign: Campaign | undefined;
  /** The sessions in which this coordinator took the lead. */
  readonly #owned = new Set<bigint>();

  constructor(runtime: Runtime, place: ElectionPlace) {
    this.#runtime = runtime;
    this.#place = place;
  }

  async campaign(candidate: Leader, leaseMs: number, isRestart: boolean): Promise<Standing> {
    this.#campaign ??= this.#begin(leaseMs);
    const { client } = this.#campaign;
    const found = await this.#look(client);
    if (found?.owner === client.session.id) return this.#standing(client, found);
    const isFormer =
      found !== undefined && (this.#owned.has(found.owner) || (isRestart && isSameServer(found.leader, candidate)));
    if (found !== undefined && !isFormer) return this.#standing(client, found);
    return this.#take(this.#campaign, candidate, found);
  }

  async resign(): Promise<void> {
    const campaign = this.#campaign;
    this.#campaign = undefined;
    // The znode ends with its session.
    await campaign?.client.close();
  }

  #begin(leaseMs: number): Campaign {
    const events = {
      onConnect: () => void lock.onConnect(),
      onDisconnect: () => undefined,
      onWatch: () => lock.onWatch(),
    };
    const life = { timeoutMs: Math.ceil(leaseMs * SESSION_PER_LEASE), isKept: false };
    const client = new ZooKeeperClient(this.#runtime, this.#place.servers, events, life);
    const lock = new ZnodeLock(this.#runtime, client, this.#place.lock);
    return { client, lock };
  }

  /** Replaces the znode, unless it is not the `former` one any more. */
  async #take({ client, lock }: Campaign, candidate: Leader, former: Found | undefined): Promise<Standing> {
    const { path, permission, prepare } = this.#place;
    await prepare();
    const held = await lock.take();
    let isDone = false;
    try {
      const found = await this.#look(client);
      if (found?.owner !== former?.owner) return this.#standing(client, found);
      const own = create(path, fromLatin1(encodeLeader(candidate)), permission, Kind.ephemeral);
      const removal = found === undefined ? [] : [remove(path)];
      const answer = await client.ask(transaction([...removal, own, held.removal], own));
      isDone = answer.ok;
      if (!answer.ok) return this.#standing(client, await this.#look(client));
      this.#owned.add(client.session.id);
      return this.#standing(client, { leader: candidate, owner: client.session.id });
    } finally {
      await held.release(isDone);
    }
  }

  #standing({ session }: ZooKeeperClient, found: Found | undefined): Standing {
    const leaseMs = Math.floor(session.timeoutMs / SESSION_PER_LEASE);
    return { leader: found?.leader, isOwn: found?.owner === session.id, leaseMs };
  }

  /** The znode, as ZooKeeper's leader knows it: while its session is alive there, the lease is renewed. */
  async #look(client: ZooKeeperClient): Promise<Found | undefined> {
    const { path } = this.#place;
    const [, found] = await Promise.all([client.ask(sync(path)), client.ask(getData(path))]);
    if (!found.ok) return undefined;
    const leader = decodeLeader(latin1(found.value.data), `the znode "${path}" of ZooKeeper`);
    return { leader, owner: found.value.stat.owner };
  }
}
