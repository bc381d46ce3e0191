/**
 * A coordinator that keeps the map in ZooKeeper, where the original's index servers have it: they and ours can share a cluster.
 * A token is the znode's creation and version. The original replaces the map whatever its version is, but under a lock: so a
 * store takes that lock, and is a transaction that compares the version, adds to the history and gives the lock back. Watches
 * say that the map has changed. A file in the data directory tells a cluster whose map is gone from a new one.
 */

import { EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host_port.ts";
import type { MapRecord } from "../../cluster/map_record.ts";
import { decodeStoredMap, encodeStoredMap, NOTHING_STORED, type StoredMap } from "../../cluster/stored_map.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { Coordinator, Election, RestoredMap } from "../coordinator.ts";
import { KnownMap } from "../known_map.ts";
import { placeText } from "../place_text.ts";
import { PARTITIONING_NAMES } from "../stored_partitioning.ts";
import {
  ANY_VERSION,
  ANYBODY,
  CREATOR,
  create,
  exists,
  getData,
  Kind,
  type Permission,
  type Request,
  type Stat,
  setData,
  sync,
  transaction,
  type Znode,
} from "./requests.ts";
import { ZnodeHistory } from "./znode_history.ts";
import { createEmpty, type Layout, layoutOf, pathsOf } from "./znode_layout.ts";
import { ZnodeLock } from "./znode_lock.ts";
import { ZooKeeperClient, type ZooKeeperServers } from "./zookeeper_client.ts";
import { ZooKeeperElection } from "./zookeeper_election.ts";

export interface ZooKeeperPlace extends ZooKeeperServers {
  /** The znode of the cluster: it begins with a slash and does not end with one. */
  readonly cluster: string;
  /** The file in which the newest map that was seen is remembered; undefined: it is not. */
  readonly knownPath: string | undefined;
  /** The index server's name and port; port 0: not known yet, then it is not listed. */
  readonly indexServer: HostPort;
}

/** The token while there is no map. */
const ABSENT = "absent";
/** How often the znode of this server is tried again while an earlier session of it lives. */
const REGISTER_MS = 5000;
/** ZooKeeper's limit of a packet, unless its servers have another one. */
const PACKET_BYTES_MAX = 1_000_000;
/** How often a store starts over because others make the znodes at the same time. */
const ATTEMPTS_MAX = 3;

export class ZooKeeperCoordinator implements Coordinator {
  readonly place: string;
  readonly election: Election;
  readonly #runtime: Runtime;
  readonly #place: ZooKeeperPlace;
  readonly #client: ZooKeeperClient;
  readonly #layout: Layout;
  readonly #permission: Permission;
  readonly #lock: ZnodeLock;
  readonly #history: ZnodeHistory;
  readonly #known: KnownMap;
  readonly #listeners: (() => void)[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  /** The token of the last map that was read, stored or noticed. */
  #seen: string | undefined;
  /** A connection has ended, and the listeners do not know yet that there is another one. */
  #isAway = false;
  /** The znode of the term is known to exist. */
  #hasTerm = false;
  /** The directory of the history is known to exist. */
  #hasHistory = false;
  /** The znodes of the cluster are known to have existed. */
  #isPrepared = false;
  #registerTimer: Timer | undefined;
  #isOpen = false;

  constructor(runtime: Runtime, place: ZooKeeperPlace) {
    const { cluster, knownPath, credentials, indexServer } = place;
    this.#runtime = runtime;
    this.#place = place;
    this.place = placeText("zookeeper", place, cluster);
    this.#layout = layoutOf(cluster);
    this.#permission = credentials === undefined ? ANYBODY : CREATOR;
    this.#client = new ZooKeeperClient(runtime, place, {
      onConnect: () => void this.#onConnect(),
      onDisconnect: () => this.#onDisconnect(),
      onWatch: (path) => this.#onWatch(path),
    });
    const server = formatHostPort(indexServer.host, indexServer.port);
    const lockFor = (purpose: string) => ({
      directory: this.#layout.lock,
      permission: this.#permission,
      description: `${server} ${purpose}`,
    });
    this.#lock = new ZnodeLock(runtime, this.#client, lockFor("stores the node map"));
    this.election = new ZooKeeperElection(runtime, {
      servers: place,
      path: this.#layout.leader,
      permission: this.#permission,
      lock: lockFor("takes the lead"),
      prepare: () => this.#prepare(),
    });
    this.#history = new ZnodeHistory(this.#client, this.#layout.history, this.#permission);
    this.#known = new KnownMap(runtime, knownPath, `The node map is in ZooKeeper, under ${this.#layout.nodemap}`);
  }

  /** Several index servers may use it: the election says who leads, and the terms decide who may store. */
  async open(): Promise<void> {
    this.#isOpen = true;
    if ((await this.#known.read()) === undefined) await this.#prepare();
    await this.#register();
  }

  async partitioning(): Promise<ReadonlyMap<string, string>> {
    const { meta } = this.#layout;
    const found = await Promise.all(PARTITIONING_NAMES.map((name) => this.#client.ask(getData(`${meta}/${name}`))));
    return new Map(found.flatMap((each, i) => (each.ok ? [[PARTITIONING_NAMES[i] as string, latin1(each.value.data)]] : [])));
  }

  async restore(): Promise<RestoredMap> {
    const { index, nodemap, term } = this.#layout;
    const known = await this.#known.read();
    const [, indexFound, found, termFound] = await Promise.all([
      this.#client.ask(sync(nodemap)),
      this.#client.ask(exists(index)),
      this.#client.ask(getData(nodemap)),
      this.#client.ask(getData(term)),
    ]);
    this.#hasTerm = termFound.ok;
    this.#seen = found.ok ? tokenOf(found.value.stat) : ABSENT;
    const token = this.#seen;
    const lose = (problem: string, otherwise?: string) => ({ ...NOTHING_STORED, token, lost: this.#lost(problem, otherwise) });
    if (!found.ok || found.value.data.length === 0) {
      const isNew = known === undefined && (found.ok || !indexFound.ok);
      if (isNew) return { ...NOTHING_STORED, token };
      return lose(found.ok ? "is empty" : known === undefined ? `is missing, while "${index}" is there` : "is missing");
    }
    try {
      const stored = decodeStoredMap(latin1(found.value.data));
      const problem = await this.#known.problemOf(stored);
      if (problem !== undefined) return lose(problem, `accept it, remove "${this.#known.path}"`);
      // Terms never go back: the original stores none.
      const highest = Math.max(stored.term, termFound.ok ? termIn(termFound.value) : 0, known?.term ?? 0);
      await this.#known.keep({ map: stored.map, term: highest });
      return { ...stored, term: highest, token };
    } catch (error) {
      if (!(error instanceof FlareError) || error.code !== "CORRUPT") throw error;
      return lose(`is damaged: ${error.message}`);
    }
  }

  store(stored: StoredMap, expectedToken: string, record?: MapRecord): Promise<string | undefined> {
    // One at a time: the lock has one owner.
    const outcome = this.#tail.then(async () => {
      const isNew = expectedToken === ABSENT;
      const token = isNew ? await this.#create(stored, record) : await this.#replace(stored, expectedToken, record);
      if (token === undefined) return undefined;
      this.#hasTerm = true;
      this.#hasHistory = true;
      this.#seen = token;
      await this.#known.keep(stored);
      if (isNew) await this.#whileConnected(() => this.#register());
      return token;
    });
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  history(): Promise<readonly MapRecord[]> {
    return this.#history.read();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#isOpen = false;
    this.#listeners.length = 0;
    if (this.#registerTimer !== undefined) this.#runtime.clock.clearTimer(this.#registerTimer);
    await this.election.resign();
    await this.#client.close();
  }

  /** Makes the znodes of a new cluster, the map's without content; nothing happens if there are some. */
  async #prepare(): Promise<void> {
    const { index } = this.#layout;
    if (this.#isPrepared) return;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      this.#isPrepared = (await this.#client.ask(exists(index))).ok;
      if (this.#isPrepared) return;
      const missing = await this.#missing();
      const [first] = missing;
      if (first !== undefined) await this.#client.ask(transaction(missing, first));
    }
    throw this.#disturbed();
  }

  /** What makes the persistent znodes that are not there. */
  async #missing(): Promise<Request<string>[]> {
    const paths = pathsOf(this.#layout);
    const found = await Promise.all(paths.map((path) => this.#client.ask(exists(path))));
    return paths.filter((_, i) => !found[i]?.ok).map((path) => createEmpty(path, this.#permission));
  }

  #disturbed(): FlareError {
    const text = `ZooKeeper: others make and remove the znodes under "${this.#layout.index}" at the same time`;
    return new FlareError("IO_ERROR", text, { retriable: true });
  }

  /** Makes all znodes that are missing, with the map; undefined if that one is there. */
  async #create(stored: StoredMap, record: MapRecord | undefined): Promise<string | undefined> {
    const { nodemap, term } = this.#layout;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const missing = await this.#missing();
      if (!missing.some(({ path }) => path === nodemap)) return undefined;
      // Its content is set once more, because that says which transaction it was.
      const map = setData(nodemap, contentOf(stored), 0);
      const recording = await this.#history.changesFor(record, 1);
      const changes = [...missing, setData(term, termOf(stored), ANY_VERSION), ...recording, map];
      const answer = await this.#change(stored, changes, map);
      if (answer.ok) return tokenOf(answer.value);
    }
    throw this.#disturbed();
  }

  async #replace(stored: StoredMap, expectedToken: string, record: MapRecord | undefined): Promise<string | undefined> {
    const { nodemap, term, history } = this.#layout;
    const held = await this.#lock.take();
    let isDone = false;
    try {
      const number = Number(expectedToken.split(" ")[1]) + 1;
      const [found, recording, isReady] = await Promise.all([
        this.#client.ask(exists(nodemap)),
        this.#history.changesFor(record, number),
        this.#hasHistory || this.#client.ask(exists(history)).then(({ ok }) => ok),
      ]);
      if (!found.ok || tokenOf(found.value) !== expectedToken) return undefined;
      const map = setData(nodemap, contentOf(stored), found.value.version);
      const content = termOf(stored);
      const termChange = this.#hasTerm ? setData(term, content, ANY_VERSION) : create(term, content, this.#permission);
      const directory = isReady ? [] : [createEmpty(history, this.#permission)];
      const changes = [map, termChange, ...directory, ...recording, held.removal];
      const answer = await this.#change(stored, changes, map);
      isDone = answer.ok;
      if (answer.ok) return tokenOf(answer.value);
      if (answer.path !== held.removal.path) return undefined;
      throw new FlareError("CONNECTION_FAILED", "ZooKeeper: the session has expired before the store", { retriable: true });
    } finally {
      await held.release(isDone);
    }
  }

  /** Changes several znodes; an error says what may be the reason. */
  async #change<Result>(stored: StoredMap, changes: readonly Request<unknown>[], wanted: Request<Result>) {
    try {
      return await this.#client.ask(transaction(changes, wanted));
    } catch (error) {
      const { length } = contentOf(stored);
      if (!(error instanceof FlareError) || error.code !== "IN_DOUBT" || length < PACKET_BYTES_MAX) throw error;
      const text = `${error.message}; the node map has ${length} bytes: ZooKeeper may need a larger jute.maxbuffer`;
      throw new FlareError("IN_DOUBT", text, { cause: error, retriable: true });
    }
  }

  async #onConnect(): Promise<void> {
    await this.#whileConnected(async () => {
      await this.#lock.onConnect();
      await this.#look();
      if (this.#isOpen) await this.#register();
    });
  }

  #onDisconnect(): void {
    this.#isAway = true;
    this.#lock.onWatch();
    this.#notify();
  }

  #onWatch(path: string): void {
    if (path === this.#layout.nodemap) void this.#whileConnected(() => this.#look());
    else this.#lock.onWatch();
  }

  /** Sees whether the map is another one, and has its next change noticed. */
  async #look(): Promise<void> {
    const before = this.#seen;
    const found = await this.#client.ask(exists(this.#layout.nodemap, true));
    const token = found.ok ? tokenOf(found.value) : ABSENT;
    const wasAway = this.#isAway;
    this.#isAway = false;
    // Not if a request of our own has read or stored something in the meantime.
    const isOther = token !== before && this.#seen === before;
    if (isOther) this.#seen = token;
    if (isOther || wasAway) this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Lists this server among the running ones; again later, while an earlier session of it lives. */
  async #register(): Promise<void> {
    const { host, port } = this.#place.indexServer;
    if (!this.#isOpen || port === 0) return;
    const path = `${this.#layout.servers}/${formatHostPort(host, port)}`;
    const answer = await this.#client.ask(create(path, EMPTY_BYTES, this.#permission, Kind.ephemeral));
    if (answer.ok || answer.refusal !== "exists") return;
    const found = await this.#client.ask(exists(path));
    if (!this.#isOpen || (found.ok && found.value.owner === this.#client.session.id)) return;
    const { clock } = this.#runtime;
    if (this.#registerTimer !== undefined) clock.clearTimer(this.#registerTimer);
    this.#registerTimer = clock.setTimer(() => void this.#whileConnected(() => this.#register()), REGISTER_MS);
  }

  /** What fails because the connection ends is done when the next one begins. */
  async #whileConnected(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      if (error.code === "REFUSED") this.#runtime.log.write("warning", error.message);
    }
  }

  #lost(problem: string, otherwise?: string): string {
    const { index, nodemap } = this.#layout;
    return (
      `the node map in ZooKeeper under "${nodemap}" ${problem}; restore ZooKeeper, or get the map of a running node ` +
      `(flare index --index-server NODE --increment 1 --output FILE) and store it there ` +
      `(zkCli.sh set "${nodemap}" "$(cat FILE)"); ` +
      `to ${otherwise ?? `start a cluster without nodes, remove "${index}" and "${this.#known.path}"`}`
    );
  }
}

function tokenOf({ created, version }: Stat): string {
  return `${created} ${version}`;
}

function contentOf(stored: StoredMap): Uint8Array {
  return fromLatin1(encodeStoredMap(stored));
}

function termOf({ term }: StoredMap): Uint8Array {
  return fromLatin1(String(term));
}

/** @throws FlareError CORRUPT */
function termIn({ data }: Znode): number {
  const text = latin1(data);
  if (/^\d{0,15}$/.test(text)) return Number(text);
  throw new FlareError("CORRUPT", `its term is "${text.slice(0, 80)}"`);
}
