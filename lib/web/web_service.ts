/**
 * What a daemon shows browsers of its cluster: the parts behind the page, and their routes. It begins with the first node map
 * and ends before the connections do.
 */

import { type HttpHandler, jsonResponse } from "../net/http/http_handler.ts";
import type { Clock } from "../runtime/runtime.ts";
import { Collector, type CollectorHost } from "./collector.ts";
import { EventStreams } from "./event_streams.ts";
import { History, STEP_MS } from "./history.ts";
import { pageRoutes } from "./page/page_routes.ts";

export class WebService {
  readonly #collector: Collector;
  readonly #streams: EventStreams;
  readonly #history = new History();
  readonly #clock: Clock;

  /** An index server keeps the history of its cluster; a node collects only while somebody looks. */
  constructor(host: CollectorHost) {
    this.#clock = host.runtime.clock;
    this.#collector = new Collector(host, host.kind === "index");
    this.#streams = new EventStreams(host.runtime.clock, this.#collector.happenings);
    this.#collector.watchers = () => this.#streams.count;
    this.#collector.onRound = (picture) => this.#history.add(picture);
    this.#collector.onPicture = (picture) => this.#streams.publish(picture);
  }

  start(): void {
    this.#collector.start();
  }

  stop(): void {
    this.#streams.stop();
    this.#collector.stop();
  }

  /** Applies reloaded options. */
  reload(): void {
    this.#collector.reload();
  }

  /** The server has another node map. */
  mapChanged(): void {
    this.#collector.mapChanged();
  }

  readonly cluster: HttpHandler = async () => jsonResponse(200, await this.#collector.look());

  readonly stream: HttpHandler = (request, client) => {
    void this.#collector.look();
    return this.#streams.open(this.#collector.picture)(request, client);
  };

  readonly history: HttpHandler = async () => {
    void this.#collector.look();
    return jsonResponse(200, { stepS: STEP_MS / 1000, points: this.#history.points(this.#clock.nowMs()) });
  };

  readonly happened: HttpHandler = async () => jsonResponse(200, this.#collector.happenings.all);
}

/** The routes; `service` is undefined until the daemon knows its cluster. */
export function webRoutes(service: () => WebService | undefined): Readonly<Record<string, HttpHandler>> {
  const served =
    (name: "cluster" | "stream" | "history" | "happened"): HttpHandler =>
    async (request, client) => {
      const web = service();
      if (web === undefined) return jsonResponse(503, { error: "this server does not know its cluster yet: see /readyz" });
      return web[name](request, client);
    };
  return {
    ...pageRoutes(),
    "/api/cluster": served("cluster"),
    "/api/stream": served("stream"),
    "/api/history": served("history"),
    "/api/happened": served("happened"),
  };
}
