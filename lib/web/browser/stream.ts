/**
 * The server's events, for as long as the page is open. A browser reconnects by itself after a broken connection, but neither
 * after an answer that is an error nor when the server says nothing for ever: this does.
 */

import type { Cluster, Happened } from "./model/cluster.ts";
import { type LinkEvent, SILENT_MS } from "./model/link_state.ts";

const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 10_000;
const TICK_MS = 1000;
/** Silent for longer than this, the connection is taken for dead. */
const DEAD_MS = 2 * SILENT_MS;

export class ClusterStream {
  readonly #dispatch: (event: LinkEvent) => void;
  readonly #happened: () => Promise<readonly Happened[]>;
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #retryMs = RETRY_MS_MIN;
  #heardMs = 0;

  /** @param happened fetches the events of the past */
  constructor(dispatch: (event: LinkEvent) => void, happened: () => Promise<readonly Happened[]>) {
    this.#dispatch = dispatch;
    this.#happened = happened;
  }

  start(): void {
    setInterval(() => this.#tick(), TICK_MS);
    document.addEventListener("visibilitychange", () => this.#tick());
    this.#open();
  }

  #open(): void {
    this.#source?.close();
    this.#heardMs = Date.now();
    const source = new EventSource("/api/stream");
    this.#source = source;
    source.onopen = () => {
      this.#heardMs = Date.now();
      this.#retryMs = RETRY_MS_MIN;
      this.#dispatch({ type: "opened", nowMs: Date.now() });
      void this.#fetchHappened();
    };
    source.onerror = () => {
      this.#dispatch({ type: "lost", nowMs: Date.now() });
      if (source.readyState === EventSource.CLOSED) this.#openLater();
    };
    source.addEventListener("cluster", ({ data }) => {
      this.#heardMs = Date.now();
      this.#dispatch({ type: "cluster", nowMs: this.#heardMs, cluster: JSON.parse(data) as Cluster });
    });
    source.addEventListener("happened", ({ data, lastEventId }) => {
      const event = JSON.parse(data) as Happened;
      this.#dispatch({ type: "happened", nowMs: Date.now(), events: [{ ...event, id: event.id ?? lastEventId }] });
    });
  }

  #openLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #tick(): void {
    this.#dispatch({ type: "tick", nowMs: Date.now() });
    if (this.#source?.readyState !== EventSource.CLOSED && Date.now() - this.#heardMs > DEAD_MS) {
      this.#dispatch({ type: "lost", nowMs: Date.now() });
      this.#open();
    }
  }

  async #fetchHappened(): Promise<void> {
    try {
      this.#dispatch({ type: "happened", nowMs: Date.now(), events: await this.#happened() });
    } catch {
      // The stream is about to fail as well, and asks again when it is back.
    }
  }
}
