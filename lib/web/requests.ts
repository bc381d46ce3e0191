/**
 * Slow requests and hot keys over HTTP: a node shows its own, an index server those of all nodes that are not down. Keys are
 * data, so who asks needs the token. However many ask, the nodes are asked once at a time.
 */

import { ClusterAdmin } from "../admin/cluster_admin.ts";
import { type Gathered, gather } from "../admin/gather.ts";
import { type CountedRequests, clusterHot, hotRecord } from "../admin/hot_keys.ts";
import { clusterSlow, slowRecord } from "../admin/slow_requests.ts";
import { base64url } from "../base/base64.ts";
import { formatHostPort } from "../base/host_port.ts";
import { NodeState } from "../cluster/node.ts";
import { type HttpHandler, jsonResponse } from "../net/http/http_handler.ts";
import type { Figures } from "../protocol/stat_lines.ts";
import { hotReportOf } from "../stats/hot_stats.ts";
import { slowReportOf } from "../stats/slow_stats.ts";
import { adminOptions, type CollectorHost, type OwnRequests } from "./collector.ts";
import { failure } from "./json_body.ts";

/** Most slow requests, and most keys, in an answer. */
export const SLOW_MAX = 500;
export const HOT_MAX = 50;
const CONNECT_TIMEOUT_MS = 1500;
const REPLY_TIMEOUT_MS = 4000;
/** Larger than a thousand slow requests with long keys. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;

type Form = keyof OwnRequests;

export class Requests {
  readonly #host: CollectorHost;
  #admin: ClusterAdmin | undefined;
  readonly #asking = new Map<Form, Promise<Response>>();

  constructor(host: CollectorHost) {
    this.#host = host;
  }

  /** Closes its connections; addresses or certificates may have changed. */
  close(): void {
    this.#admin?.close();
    this.#admin = undefined;
  }

  readonly slow: HttpHandler = () =>
    this.#once("slow", async () => {
      const { entries, thresholdMs = null, ...slow } = clusterSlow(await this.#gather("slow", slowReportOf), SLOW_MAX);
      return { thresholdMs, ...slow, entries: entries.map((entry) => withKey64(slowRecord(entry, base64url))) };
    });

  readonly hot: HttpHandler = () =>
    this.#once("hot", async () => {
      const { kind, nodeMap } = this.#host;
      const counted: CountedRequests = kind === "node" || nodeMap.nodes.length === 1 ? "all" : "clients";
      const { keys, ...hot } = clusterHot(await this.#gather("hot", hotReportOf), counted, HOT_MAX);
      return { ...hot, counted, keys: keys.map((key) => withKey64(hotRecord(key, base64url))) };
    });

  /** The answer; those who ask while it is being made get the same. */
  async #once(form: Form, make: () => Promise<object>): Promise<Response> {
    let asking = this.#asking.get(form);
    if (asking === undefined) {
      asking = make()
        .then((answer) => jsonResponse(200, answer), failure)
        .finally(() => this.#asking.delete(form));
      this.#asking.set(form, asking);
    }
    return (await asking).clone();
  }

  #gather<Report>(form: Form, parse: (figures: Figures) => Report | undefined): Promise<Gathered<Report>> {
    const { own, address, nodeMap } = this.#host;
    if (own === undefined) {
      this.#admin ??= new ClusterAdmin({
        ...adminOptions(this.#host),
        ...{ connectTimeoutMs: CONNECT_TIMEOUT_MS, replyTimeoutMs: REPLY_TIMEOUT_MS, replyBytesMax: REPLY_BYTES_MAX },
      });
      const up = nodeMap.nodes.filter(({ state }) => state !== NodeState.down).map(({ key }) => key);
      return gather(this.#admin, up, form, parse);
    }
    const figures = new Map<string, string>();
    own[form]({ stat: (name, value) => void figures.set(name, String(value)) });
    const report = parse(figures);
    const node = formatHostPort(address.host, address.port);
    return Promise.resolve({ reports: report === undefined ? [] : [{ node, report }], unreachable: [] });
  }
}

function withKey64<Shape extends { readonly key: unknown }>({ key, ...rest }: Shape) {
  return { key64: key, ...rest };
}
