/**
 * Flare's "threads": anything with its own work that `stats threads` shows, such as a client connection, a connection to
 * another node, a reconstruction. Ids increase and are never reused.
 */

/** The `type` of a line of `stats threads`; types of 16 and more are the thread_type of the node it works for. */
export const WorkerType = {
  request: 1,
  alarm: 2,
  reconstruction: 3,
  controller: 4,
  clusterReplication: 5,
  dumpReplication: 6,
} as const;

export interface Worker {
  readonly id: number;
  readonly type: number;
  /** `host:port` of the other side, `:0` if there is none. */
  readonly peer: string;
  /** The current command, empty when idle. */
  readonly operation: string;
  readonly state: string;
  /** Further information, without spaces. */
  readonly info?: string;
  /** Monotonic time of its start, in milliseconds. */
  readonly startedMs: number;
  /** The length of its queue. */
  readonly queue: number;
  /** The age of the oldest entry in seconds. */
  readonly behindSeconds: number;
  /** Ends it (command `kill`). */
  kill(): void;
}

export class WorkerRegistry {
  readonly #workers = new Map<number, Worker>();
  #lastId = 0;

  nextId(): number {
    return ++this.#lastId;
  }

  add(worker: Worker): void {
    this.#workers.set(worker.id, worker);
  }

  remove(worker: Worker): void {
    this.#workers.delete(worker.id);
  }

  /** Ends a worker; false if there is none with this id. */
  kill(id: number): boolean {
    const worker = this.#workers.get(id);
    worker?.kill();
    return worker !== undefined;
  }

  /** Request threads first, then the others, each by type and id. */
  list(): Worker[] {
    return [...this.#workers.values()].sort((left, right) => left.type - right.type || left.id - right.id);
  }

  /** The length of all queues in the process. */
  get totalQueue(): number {
    let total = 0;
    for (const worker of this.#workers.values()) total += worker.queue;
    return total;
  }
}
