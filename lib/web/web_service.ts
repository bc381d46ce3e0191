/**
 * What a daemon shows browsers of its cluster: the parts behind the page, and their routes. It begins with the first node map
 * and ends before the connections do.
 */

import { type HttpHandler, type HttpRoutes, jsonResponse } from "../net/http/http_handler.ts";
import type { Clock } from "../runtime/runtime.ts";
import { CHANGE_BYTES_MAX, Changes } from "./changes.ts";
import { Collector, type CollectorHost } from "./collector.ts";
import { EventStreams } from "./event_streams.ts";
import { History, STEP_MS } from "./history.ts";
import { ITEM_BYTES_MAX, Items } from "./items.ts";
import { pageRoutes } from "./page/page_routes.ts";
import { Requests } from "./requests.ts";

export class WebService {
  readonly #collector: Collector;
  readonly #streams: EventStreams;
  readonly #changes: Changes;
  readonly #items: Items;
  readonly #requests: Requests;
  readonly #history = new History();
  readonly #clock: Clock;

  /** An index server keeps the history of its cluster; a node collects only while somebody looks. */
  constructor(host: CollectorHost) {
    this.#clock = host.runtime.clock;
    this.#collector = new Collector(host, host.kind === "index");
    this.#streams = new EventStreams(host.runtime.clock, this.#collector.happenings);
    this.#items = new Items(host);
    this.#requests = new Requests(host);
    this.#changes = new Changes(host, this.#collector.happenings, () => this.#streams.publish(this.#collector.picture));
    this.#collector.watchers = () => this.#streams.count;
    this.#collector.onRound = (picture) => this.#history.add(picture);
    this.#collector.onPicture = (picture) => this.#streams.publish(picture);
  }

  start(): void {
    this.#collector.start();
  }

  stop(): void {
    this.#streams.stop();
    this.#changes.stop();
    this.#items.close();
    this.#requests.close();
    this.#collector.stop();
  }

  /** Applies reloaded options. */
  reload(): void {
    this.#collector.reload();
    this.#items.close();
    this.#requests.close();
  }

  /** The server has another node map. */
  mapChanged(): void {
    this.#collector.mapChanged();
  }

  readonly cluster: HttpHandler = async () => {
    await this.#collector.look();
    return jsonResponse(200, this.#collector.picture);
  };

  readonly stream: HttpHandler = (request, client, body) => {
    void this.#collector.look();
    return this.#streams.open(this.#collector.picture)(request, client, body);
  };

  readonly history: HttpHandler = async () => {
    void this.#collector.look();
    return jsonResponse(200, { stepS: STEP_MS / 1000, points: this.#history.points(this.#clock.nowMs()) });
  };

  readonly happened: HttpHandler = async () => jsonResponse(200, this.#collector.happenings.all);

  get change(): HttpHandler {
    return this.#changes.handler;
  }

  get item(): HttpHandler {
    return this.#items.get;
  }

  get store(): HttpHandler {
    return this.#items.put;
  }

  get remove(): HttpHandler {
    return this.#items.remove;
  }

  get scan(): HttpHandler {
    return this.#items.scan;
  }

  get slow(): HttpHandler {
    return this.#requests.slow;
  }

  get hot(): HttpHandler {
    return this.#requests.hot;
  }
}

/** The handlers of a service. */
type Name = "cluster" | "stream" | "history" | "happened" | "change" | "item" | "store" | "remove" | "scan" | "slow" | "hot";

/** The routes; `service` is undefined until the daemon knows its cluster. */
export function webRoutes(service: () => WebService | undefined): HttpRoutes {
  const served =
    (name: Name): HttpHandler =>
    async (request, client, body) => {
      const web = service();
      if (web === undefined) return jsonResponse(503, { error: "this server does not know its cluster yet: see /readyz" });
      return web[name](request, client, body);
    };
  return {
    ...pageRoutes(),
    "/api/cluster": served("cluster"),
    "/api/stream": served("stream"),
    "/api/history": served("history"),
    "/api/happened": served("happened"),
    "/api/item": {
      GET: { handler: served("item"), needsToken: true },
      PUT: { handler: served("store"), bodyBytesMax: ITEM_BYTES_MAX },
      DELETE: { handler: served("remove") },
    },
    "/api/scan": { GET: { handler: served("scan"), needsToken: true } },
    "/api/slow": { GET: { handler: served("slow"), needsToken: true } },
    "/api/hot": { GET: { handler: served("hot"), needsToken: true } },
    "/api/change": { POST: { handler: served("change"), bodyBytesMax: CHANGE_BYTES_MAX } },
  };
}
