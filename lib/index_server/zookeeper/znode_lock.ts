/**
 * The lock of the original's index servers: ephemeral sequential znodes in one directory, of which the lowest number owns it.
 * It ends with the session, so whoever stores under it removes its znode in the same transaction.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { create, exists, getChildren, Kind, type Permission, type Request, remove, sync } from "./requests.ts";
import type { ZooKeeperClient } from "./zookeeper_client.ts";

/** How long another server may hold it: one that died has it until its session expires. */
const LOCK_MS = 15_000;
/** How often its owner is looked at while there is no notice. */
const LOOK_MS = 1000;
/** A znode of the lock: `<uuid>-lock-<number>`. */
const NODE = /^(.*)-lock-(-?\d+)$/;

export interface LockPlace {
  /** The directory of its znodes. */
  readonly directory: string;
  readonly permission: Permission;
  /** Who takes it, for operators who look. */
  readonly description: string;
}

/** A lock that is held. */
export interface Held {
  /** Removes its znode: a part of the transaction under the lock. */
  readonly removal: Request<undefined>;
  /** Removes it, unless that transaction `isDone`. */
  release(isDone: boolean): Promise<void>;
}

export class ZnodeLock {
  readonly #runtime: Runtime;
  readonly #client: ZooKeeperClient;
  readonly #place: LockPlace;
  /** The UUIDs of attempts whose znode may be left. */
  readonly #left = new Set<string>();
  /** Notices of watches and connections. */
  #notices = 0;
  #wake: () => void = () => undefined;

  constructor(runtime: Runtime, client: ZooKeeperClient, place: LockPlace) {
    this.#runtime = runtime;
    this.#client = client;
    this.#place = place;
  }

  /** Waits for the lock; one caller at a time. @throws FlareError TIMED_OUT naming the owner | as `ZooKeeperClient.ask` */
  async take(): Promise<Held> {
    const uuid = randomUuid(this.#runtime);
    try {
      const path = await this.#queue(uuid);
      const removal = remove(path);
      const release = async (isDone: boolean) => {
        if (!isDone) await this.#giveBack(uuid, removal);
      };
      try {
        await this.#wait(path);
        return { removal, release };
      } catch (error) {
        await release(false);
        throw error;
      }
    } catch (error) {
      // Whether there is a znode is not known, or how to remove it.
      if (error instanceof FlareError && error.code === "IN_DOUBT") this.#left.add(uuid);
      throw error;
    }
  }

  /** To be called when a connection begins: removes what earlier attempts have left, so that nobody waits for it. */
  async onConnect(): Promise<void> {
    this.onWatch();
    try {
      if (this.#left.size > 0) await this.#clear();
    } catch (error) {
      // The next connection does it.
      if (!(error instanceof FlareError)) throw error;
    }
  }

  /** To be called when a watch has noticed something. */
  onWatch(): void {
    this.#notices++;
    this.#wake();
  }

  async #clear(): Promise<void> {
    const { directory } = this.#place;
    const left = [...this.#left];
    const [, children] = await Promise.all([this.#client.ask(sync(directory)), this.#client.ask(getChildren(directory))]);
    for (const name of children.ok ? children.value : []) {
      if (left.includes(NODE.exec(name)?.[1] ?? "")) await this.#client.ask(remove(`${directory}/${name}`));
    }
    for (const uuid of left) this.#left.delete(uuid);
  }

  /** Makes the znode of an attempt; resolves to its path. */
  async #queue(uuid: string): Promise<string> {
    const { directory, permission, description } = this.#place;
    const node = create(`${directory}/${uuid}-lock-`, fromLatin1(description), permission, Kind.ephemeralSequential);
    let answer = await this.#client.ask(node);
    if (!answer.ok && answer.refusal === "no node") {
      await this.#client.ask(create(directory, EMPTY_BYTES, permission));
      answer = await this.#client.ask(node);
    }
    if (!answer.ok) throw new FlareError("IO_ERROR", `ZooKeeper: no lock in "${directory}": ${answer.refusal}`);
    return answer.value;
  }

  async #giveBack(uuid: string, removal: Request<undefined>): Promise<void> {
    try {
      await this.#client.ask(removal);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#left.add(uuid);
    }
  }

  async #wait(own: string): Promise<void> {
    const { directory } = this.#place;
    const { clock } = this.#runtime;
    const endMs = clock.monotonicMs() + LOCK_MS;
    for (;;) {
      const before = await this.#before(own);
      if (before === undefined) return;
      const notices = this.#notices;
      const owner = await this.#client.ask(exists(`${directory}/${before}`, true));
      if (!owner.ok) continue;
      if (clock.monotonicMs() >= endMs) {
        const text = `ZooKeeper: "${directory}/${before}" has had the lock for ${LOCK_MS} ms`;
        throw new FlareError("TIMED_OUT", text, { retriable: true });
      }
      if (notices === this.#notices) await this.#notice();
    }
  }

  #notice(): Promise<void> {
    const { clock } = this.#runtime;
    return new Promise((resolve) => {
      const timer = clock.setTimer(resolve, LOOK_MS);
      this.#wake = () => {
        clock.clearTimer(timer);
        resolve();
      };
    });
  }

  /** The znode right before our own; undefined: the lock is ours. */
  async #before(own: string): Promise<string | undefined> {
    const { directory } = this.#place;
    const children = await this.#client.ask(getChildren(directory));
    const names = children.ok ? children.value.filter((name) => NODE.test(name)) : [];
    const ownName = own.slice(directory.length + 1);
    if (!names.includes(ownName)) {
      throw new FlareError("CONNECTION_FAILED", `ZooKeeper: "${own}" is gone, the session has expired`, { retriable: true });
    }
    const lower = names.filter((name) => numberOf(name) < numberOf(ownName));
    return lower.sort((left, right) => numberOf(right) - numberOf(left))[0];
  }
}

function numberOf(name: string): number {
  return Number(NODE.exec(name)?.[2]);
}

/** A random UUID (version 4). */
function randomUuid({ random }: Runtime): string {
  const digits = Array.from({ length: 4 }, () => random.uint32().toString(16).padStart(8, "0")).join("");
  const [, a, b, c, d, e] = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(digits) ?? [];
  return `${a}-${b}-4${c}-8${d}-${e}`;
}
