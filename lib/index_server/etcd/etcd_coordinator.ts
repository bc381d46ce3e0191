/**
 * A coordinator that keeps the map under one key of etcd, as the text of a `flare.xml`. A token is the key's revision of
 * modification, with the number of its stores, and a store is a transaction that compares the revision. The records of the
 * last stores are in a ring of keys below it. Whether the map changed, or etcd went away, is asked every
 * second: a watch would say the first a little earlier and the second not at all. A file in the data directory tells a
 * cluster whose map is gone, or was taken back by a backup of etcd, from a new one.
 */

import { FlareError } from "../../base/errors.ts";
import { decodeMapRecord, encodeMapRecord, HISTORY_MAX, type MapRecord } from "../../cluster/map_record.ts";
import { decodeStoredMap, encodeStoredMap, NOTHING_STORED, type StoredMap } from "../../cluster/stored_map.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Coordinator, Election, RestoredMap } from "../coordinator.ts";
import { KnownMap } from "../known_map.ts";
import { placeText } from "../place_text.ts";
import { ABSENT, EtcdClient, type EtcdServers, type Json, RANGE, TRANSACTION } from "./etcd_client.ts";
import { EtcdElection } from "./etcd_election.ts";

export interface EtcdPlace extends EtcdServers {
  readonly key: string;
  /** The file in which the newest map that was seen is remembered; undefined: it is not. */
  readonly knownPath: string | undefined;
}

const POLL_MS = 1000;
/** What is appended to the map's key for the keys of the history, and the end of their range. */
const HISTORY = "/history/";
const HISTORY_END = "/history0";

export class EtcdCoordinator implements Coordinator {
  readonly place: string;
  readonly election: Election;
  readonly #runtime: Runtime;
  readonly #client: EtcdClient;
  readonly #key: string;
  readonly #known: KnownMap;
  readonly #listeners: (() => void)[] = [];
  /** The last revision that was seen. */
  #polled: string | undefined;
  /** The last poll had no answer. */
  #isAway = false;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(runtime: Runtime, place: EtcdPlace) {
    this.#runtime = runtime;
    this.#client = new EtcdClient(runtime, place);
    this.election = new EtcdElection(this.#client, place.key);
    this.#key = place.key;
    this.place = placeText("etcd", place, place.key);
    this.#known = new KnownMap(runtime, place.knownPath, `The node map is in etcd, under the key ${place.key}`);
  }

  /** Several index servers may use it: the election says who leads, and the terms decide who may store. */
  async open(): Promise<void> {}

  async restore(): Promise<RestoredMap> {
    const known = await this.#known.read();
    const found = await this.#range({});
    const token = tokenOf(found);
    this.#polled = revisionOf(found);
    if (found === undefined) {
      return { ...NOTHING_STORED, token, ...(known === undefined ? {} : { lost: this.#lost("is missing") }) };
    }
    try {
      const stored = decodeStoredMap(atob(String(found.value ?? "")));
      const problem = await this.#known.problemOf(stored);
      if (problem !== undefined) return { ...NOTHING_STORED, token, lost: this.#lost(problem, "accept it, remove") };
      await this.#known.keep(stored);
      // Terms never go back: what an operator stores has none.
      return { ...stored, term: Math.max(stored.term, known?.term ?? 0), token };
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      return { ...NOTHING_STORED, token, lost: this.#lost(`is damaged: ${error.message}`) };
    }
  }

  async store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    const key = btoa(this.#key);
    const [modRevision, stores] = expectedToken.split(" ");
    const number = Number(stores) + 1;
    const put = (of: string, value: string) => ({ requestPut: { key: btoa(of), value: btoa(value) } });
    const place = `${this.#key}${HISTORY}${number % HISTORY_MAX}`;
    const answer = await this.#client.write(TRANSACTION, {
      compare: [{ key, target: "MOD", result: "EQUAL", modRevision }],
      success: [
        put(this.#key, encodeStoredMap(stored)),
        ...(record === undefined ? [] : [put(place, encodeMapRecord(record))]),
      ],
    });
    if (answer.succeeded !== true) return undefined;
    const revision = String((answer.header as Json | undefined)?.revision);
    this.#polled = revision;
    await this.#known.keep(stored);
    return `${revision} ${number}`;
  }

  async history(): Promise<readonly MapRecord[]> {
    const range = { key: btoa(`${this.#key}${HISTORY}`), rangeEnd: btoa(`${this.#key}${HISTORY_END}`) };
    const { kvs } = await this.#client.read(RANGE, range);
    const entries = Array.isArray(kvs) ? (kvs as Json[]) : [];
    return entries
      .sort((one, other) => Number(one.mod_revision) - Number(other.mod_revision))
      .flatMap(({ value }) => decodeMapRecord(atob(String(value ?? ""))) ?? []);
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
    const isAway = revision === undefined;
    // Not if a request of our own has read or stored something in the meantime.
    const isOther = !isAway && revision !== before && this.#polled === before;
    if (isOther) this.#polled = revision;
    if (isOther || isAway !== this.#isAway) for (const listener of this.#listeners) listener();
    this.#isAway = isAway;
    this.#schedule();
  }

  /** The key with its value; undefined if there is none. */
  async #range(options: Json): Promise<Json | undefined> {
    const { kvs } = await this.#client.read(RANGE, { key: btoa(this.#key), ...options });
    return Array.isArray(kvs) ? (kvs[0] as Json | undefined) : undefined;
  }

  #lost(problem: string, otherwise = "start a cluster without nodes, remove the key and"): string {
    return (
      `the node map in etcd under "${this.#key}" ${problem}; restore etcd, or get the map of a running node ` +
      `(flare index --index-server NODE --increment 1 --output FILE) and store it (etcdctl put "${this.#key}" < FILE); ` +
      `to ${otherwise} "${this.#known.path}"`
    );
  }
}

/** The revision of a key's last modification, and how often it was stored since it was created. */
function tokenOf(found: Json | undefined): string {
  return `${revisionOf(found)} ${found === undefined ? 0 : Number(found.version)}`;
}

function revisionOf(found: Json | undefined): string {
  return found === undefined ? ABSENT : String(found.mod_revision);
}
