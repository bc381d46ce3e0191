/** The settings of `stats settings` under memcached's names, as far as they apply here. */

import { tlsVersionOf } from "../../net/tls/tls_options.ts";
import type { NodeSettings } from "../node_options.ts";
import type { CrawlerSettings } from "./crawler_settings.ts";

/** Names and values in memcached's order; `counting` and `sizes` are what `stats detail` and `stats sizes` are set to. */
export function memcachedSettings(
  options: NodeSettings,
  counting: boolean,
  sizes: boolean,
  crawler: CrawlerSettings,
): readonly (readonly [name: string, value: string | number])[] {
  return [
    ["maxbytes", options.memoryBytesMax],
    ["maxconns", options.maxConnection],
    ["tcpport", options.serverPort],
    ["udpport", 0],
    ["inter", options.bind],
    ["verbosity", 0],
    ["evictions", "on"],
    ["domain_socket", pathOr(options.serverSocket)],
    ["chunk_size", 8],
    ["num_threads", 1],
    ["stat_key_prefix", ":"],
    ["detail_enabled", yesOrNo(counting)],
    ["cas_enabled", "yes"],
    ["tcp_backlog", options.backLog],
    ["binding_protocol", "auto-negotiate"],
    ["auth_enabled_sasl", yesOrNo(options.authFile !== "")],
    ["auth_enabled_ascii", options.authFile.replaceAll(" ", "%20") || "no"],
    ["item_size_max", options.valueBytesMax],
    ["maxconns_fast", "yes"],
    ["slab_reassign", "no"],
    ["slab_automove", 0],
    ["lru_crawler", yesOrNo(crawler.enabled)],
    ["lru_crawler_sleep", crawler.sleepUs],
    ["lru_crawler_tocrawl", crawler.toCrawl],
    ["flush_enabled", "yes"],
    ["dump_enabled", "yes"],
    ["lru_maintainer_thread", "no"],
    ["lru_segmented", "no"],
    ["hot_lru_pct", 0],
    ["warm_lru_pct", 0],
    ["hot_max_factor", "0.00"],
    ["warm_max_factor", "0.00"],
    ["temp_lru", "no"],
    ["idle_timeout", options.netReadTimeoutMs / 1000],
    ["track_sizes", yesOrNo(sizes)],
    ["ssl_enabled", yesOrNo(options.enableSsl || options.sslPort > 0)],
    ["ssl_chain_cert", pathOr(options.sslChainCert)],
    ["ssl_key", pathOr(options.sslKey)],
    ["ssl_verify_mode", options.sslVerifyMode],
    ["ssl_ca_cert", pathOr(options.sslCaCert)],
    ["ssl_min_version", tlsVersionOf(options).toLowerCase()],
  ];
}

/** A path as one word. */
function pathOr(path: string): string {
  return path === "" ? "NULL" : path.replaceAll(" ", "%20");
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}
