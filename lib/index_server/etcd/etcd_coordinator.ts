/**
 * A coordinator that keeps the map under one key of etcd, as the text of a `flare.xml`. A token is the key's revision of
 * modification, and a store is a transaction that compares it. Whether the map changed, or etcd went away, is asked every
 * second: a watch would say the first a little earlier and the second not at all. A mark file in the data directory tells
 * a cluster whose map is gone from a new one.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { decodeStoredMap, encodeStoredMap, NOTHING_STORED, type StoredMap } from "../../cluster/stored_map.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Coordinator, Election, RestoredMap } from "../coordinator.ts";
import { EtcdClient, type EtcdServers, type Json } from "./etcd_client.ts";
import { EtcdElection } from "./etcd_election.ts";

export interface EtcdPlace extends EtcdServers {
  readonly key: string;
  /** The mark file. */
  readonly markPath: string;
}

const POLL_MS = 1000;
const RANGE = "/v3/kv/range";
const TRANSACTION = "/v3/kv/txn";
/** The revision of a key that is not there. */
const ABSENT = "0";

export class EtcdCoordinator implements Coordinator {
  readonly election: Election;
  readonly #runtime: Runtime;
  readonly #client: EtcdClient;
  readonly #key: string;
  readonly #markPath: string;
  readonly #mark: Uint8Array;
  readonly #listeners: (() => void)[] = [];
  /** The last revision the poll has seen; undefined: etcd did not answer. */
  #polled: string | undefined;
  #timer: Timer | undefined;
  #isMarked = false;
  #isClosed = false;

  constructor(runtime: Runtime, place: EtcdPlace) {
    this.#runtime = runtime;
    this.#client = new EtcdClient(runtime, place);
    this.election = new EtcdElection(this.#client, place.key);
    this.#key = place.key;
    this.#markPath = place.markPath;
    this.#mark = fromLatin1(`The node map is in etcd, under the key ${place.key}\n`);
  }

  /** Several index servers may use it: the election says who leads, and the terms decide who may store. */
  async open(): Promise<void> {}

  async restore(): Promise<RestoredMap> {
    const found = await this.#range({});
    const token = revisionOf(found);
    this.#polled = token;
    if (found === undefined) {
      const lost = (await this.#wasStored()) ? this.#lost("is missing") : undefined;
      return { ...NOTHING_STORED, token, ...(lost === undefined ? {} : { lost }) };
    }
    await this.#keepMark();
    try {
      return { ...decodeStoredMap(atob(String(found.value ?? ""))), token };
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      return { ...NOTHING_STORED, token, lost: this.#lost(`is damaged: ${error.message}`) };
    }
  }

  async store(stored: StoredMap, expectedToken: string): Promise<string | undefined> {
    const key = btoa(this.#key);
    const answer = await this.#client.write(TRANSACTION, {
      compare: [{ key, target: "MOD", result: "EQUAL", modRevision: expectedToken }],
      success: [{ requestPut: { key, value: btoa(encodeStoredMap(stored)) } }],
    });
    if (answer.succeeded !== true) return undefined;
    const token = String((answer.header as Json | undefined)?.revision);
    this.#polled = token;
    await this.#keepMark();
    return token;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#listeners.length === 1) this.#schedule();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#runtime.clock.clearTimer(this.#timer);
  }

  #schedule(): void {
    if (!this.#isClosed) this.#timer = this.#runtime.clock.setTimer(() => void this.#poll(), POLL_MS);
  }

  async #poll(): Promise<void> {
    const before = this.#polled;
    let revision: string | undefined;
    try {
      revision = revisionOf(await this.#range({ keysOnly: true }));
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
    }
    if (this.#isClosed) return;
    // Not if a request of our own has read or stored something in the meantime.
    if (revision !== before && this.#polled === before) {
      this.#polled = revision;
      for (const listener of this.#listeners) listener();
    }
    this.#schedule();
  }

  /** The key with its value; undefined if there is none. */
  async #range(options: Json): Promise<Json | undefined> {
    const { kvs } = await this.#client.read(RANGE, { key: btoa(this.#key), ...options });
    return Array.isArray(kvs) ? (kvs[0] as Json | undefined) : undefined;
  }

  #lost(problem: string): string {
    return (
      `the node map in etcd under "${this.#key}" ${problem}; restore etcd, or get the map of a running node ` +
      `(flare index --index-server NODE --increment 1 --output FILE) and store it (etcdctl put "${this.#key}" < FILE); ` +
      `to start a cluster without nodes, remove the key and "${this.#markPath}"`
    );
  }

  /** Whether this index server has seen a map under this key before. */
  async #wasStored(): Promise<boolean> {
    const mark = await this.#runtime.files.read(this.#markPath);
    return mark !== undefined && latin1(mark) === latin1(this.#mark);
  }

  async #keepMark(): Promise<void> {
    if (this.#isMarked) return;
    try {
      if (!(await this.#wasStored())) await this.#runtime.files.replace(this.#markPath, this.#mark);
      this.#isMarked = true;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("warning", `a loss of the map in etcd would go unnoticed: ${error.message}`);
    }
  }
}

function revisionOf(found: Json | undefined): string {
  return found === undefined ? ABSENT : String(found.mod_revision);
}
