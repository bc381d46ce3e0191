/**
 * A server of the page whose cluster is played: serves the real page and the answers that a test gives it, can stop sending,
 * break its connections or refuse. For states of the page that a real cluster has rarely: a lost stream, figures that are not
 * known.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cluster, Happened, HistoryPoint, HotKeys, SlowRequests } from "../../lib/web/browser/model/cluster.ts";
import { pageRoutes } from "../../lib/web/page/page_routes.ts";

export const PLAYED_TOKEN = "played-token";

/** What names keys: it is read with the token only. */
const DATA = new Set(["/api/hot", "/api/item", "/api/scan", "/api/slow"]);

/** A request that the page made, with a token where it had one. */
export interface PageCall {
  readonly method: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly body: unknown;
}

export class PlayedPageServer {
  readonly calls: PageCall[] = [];
  readonly items = new Map<string, { value64: string; flags: number; ttl: number; version: number }>();
  happened: Happened[] = [];
  history: HistoryPoint[] = [];
  /** Answers to changes: the plan, and what carrying it out says. */
  plan: { status?: number; steps: string[]; warnings: string[]; error?: string } = { steps: [], warnings: [] };
  outcome: { status?: number; done: string[]; running?: string; error?: string } = { done: [] };
  slow: SlowRequests = { thresholdMs: 100, count: 0, entries: [], unreachable: [] };
  hot: HotKeys = { sampled: 0, perSecond: 0, keys: [], unreachable: [] };
  /** Refuses streams with this status. */
  refusal: number | undefined;
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  #cluster: Cluster;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(cluster: Cluster): Promise<PlayedPageServer> {
    const played = new PlayedPageServer(cluster);
    await new Promise<void>((resolve) => played.#server.listen(0, "127.0.0.1", resolve));
    return played;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** The snapshot from now on; those who listen get it. */
  show(cluster: Cluster): void {
    this.#cluster = cluster;
    for (const stream of this.#streams) stream.write(eventText("cluster", cluster));
  }

  /** Something happens. */
  tell(event: Happened): void {
    this.happened.push(event);
    for (const stream of this.#streams) stream.write(`id: ${event.id}\n${eventText("happened", event)}`);
  }

  /** Breaks all streams. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const asset = pageRoutes()[url.pathname];
    if (asset !== undefined)
      return void (await sendResponse(response, await asset(new Request(url), NOBODY, new Uint8Array())));
    if (url.pathname === "/api/stream") return this.#stream(response);
    const body = await bodyOf(request);
    const token = request.headers["flare-token"] as string | undefined;
    const { method = "GET" } = request;
    this.calls.push({ method, path: request.url ?? "", token, body });
    const needsToken = method !== "GET" || DATA.has(url.pathname);
    if (needsToken && token !== PLAYED_TOKEN) return sendJson(response, 403, { error: "the token is wrong" });
    this.#api(method, url, body, response);
  }

  #api(method: string, url: URL, body: unknown, response: ServerResponse): void {
    switch (url.pathname) {
      case "/api/cluster":
        return sendJson(response, 200, this.#cluster);
      case "/api/happened":
        return sendJson(response, 200, this.happened);
      case "/api/history":
        return sendJson(response, 200, { stepS: 5, points: this.history });
      case "/api/slow":
        return sendJson(response, 200, this.slow);
      case "/api/hot":
        return sendJson(response, 200, this.hot);
      case "/api/change":
        return this.#change(body as { dryRun?: boolean }, response);
      case "/api/item":
        return this.#item(method, url.searchParams.get("key64") ?? "", body, response);
      case "/api/scan": {
        const keys = [...this.items].map(([key64, { value64 }]) => ({ key64, bytes: Math.floor((value64.length * 3) / 4) }));
        const from = Number(url.searchParams.get("cursor") ?? 0);
        const limit = Number(url.searchParams.get("limit"));
        const cursor = from + limit < keys.length ? String(from + limit) : null;
        return sendJson(response, 200, { keys: keys.slice(from, from + limit), cursor });
      }
    }
    sendJson(response, 404, { error: "nothing here" });
  }

  #change({ dryRun }: { dryRun?: boolean }, response: ServerResponse): void {
    const { status = 200, ...answer } = dryRun === true ? this.plan : this.outcome;
    sendJson(response, status, answer);
  }

  #item(method: string, key64: string, body: unknown, response: ServerResponse): void {
    if (method === "DELETE") return sendJson(response, 200, { deleted: this.items.delete(key64) });
    if (method === "PUT") {
      const { key64: key, version, ifAbsent, ...item } = body as { key64: string; version?: number; ifAbsent?: boolean };
      const wanted = ifAbsent === true ? 0 : version;
      const before = this.items.get(key)?.version ?? 0;
      if (wanted !== undefined && wanted !== before) return sendJson(response, 409, { error: "somebody changed it" });
      this.items.set(key, { ...(item as unknown as { value64: string; flags: number; ttl: number }), version: before + 1 });
      return sendJson(response, 200, { stored: true, version: before + 1 });
    }
    const item = this.items.get(key64);
    sendJson(response, 200, item === undefined ? { found: false } : { found: true, key64, ...item });
  }

  #stream(response: ServerResponse): void {
    if (this.refusal !== undefined) return sendJson(response, this.refusal, { error: "not now" });
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(eventText("cluster", this.#cluster));
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }
}

const NOBODY = { peer: "127.0.0.1", user: undefined, certificateName: undefined };

function eventText(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function sendResponse(response: ServerResponse, from: Response): Promise<void> {
  response.writeHead(from.status, Object.fromEntries(from.headers));
  response.end(new Uint8Array(await from.arrayBuffer()));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? undefined : JSON.parse(text);
}
