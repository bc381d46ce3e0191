/**
 * The settings of `stats settings` under memcached's names: those that mean something here, with what holds here.
 */

import type { NodeServerOptions } from "./node_options.ts";

/** Names and values in memcached's order; `counting` and `sizes` are what `stats detail` and `stats sizes` are set to. */
export function memcachedSettings(
  options: NodeServerOptions,
  counting: boolean,
  sizes: boolean,
): readonly (readonly [name: string, value: string | number])[] {
  return [
    ["maxbytes", options.memoryBytesMax],
    ["maxconns", options.maxConnection],
    ["tcpport", options.serverPort],
    ["udpport", 0],
    ["inter", options.bind],
    ["verbosity", 0],
    ["evictions", "on"],
    ["domain_socket", options.serverSocket === "" ? "NULL" : options.serverSocket.replaceAll(" ", "%20")],
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
    // The search for what has expired: what it does between two slices is wait.
    ["lru_crawler", "yes"],
    ["lru_crawler_sleep", 1000000],
    ["lru_crawler_tocrawl", 0],
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
  ];
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}
