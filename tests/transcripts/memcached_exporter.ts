/**
 * What prometheus/memcached_exporter requests from a server and how it uses the answers: which keys become metrics, and how
 * their values are parsed. A value it cannot parse is an error, as in the exporter; a key it would silently ignore is an error
 * here, too.
 */

/** Asks one command and gives the whole answer. */
export type Ask = (command: string) => Promise<string>;

/** The general keys it turns into metrics, all of them decimal numbers. */
const GENERAL = [
  ...["get", "delete", "incr", "decr", "cas", "touch"].flatMap((operation) => [`${operation}_hits`, `${operation}_misses`]),
  "uptime",
  "time",
  "cas_badval",
  "cmd_flush",
  "cmd_set",
  "bytes",
  "limit_maxbytes",
  "curr_items",
  "total_items",
  "bytes_read",
  "bytes_written",
  "curr_connections",
  "total_connections",
  "rejected_connections",
  "conn_yields",
  "listen_disabled_num",
  "evictions",
  "reclaimed",
  "store_too_large",
  "store_no_memory",
  "lru_crawler_starts",
  "direct_reclaims",
  "crawler_items_checked",
  "crawler_reclaimed",
  "moves_to_cold",
  "moves_to_warm",
  "moves_within_lru",
  "total_malloced",
  "accepting_conns",
];

/** Of each class of `stats items`. */
const ITEMS = [
  "number",
  "age",
  "hits_to_hot",
  "hits_to_warm",
  "hits_to_cold",
  "hits_to_temp",
  "crawler_reclaimed",
  "evicted",
  "evicted_nonzero",
  "evicted_time",
  "evicted_unfetched",
  "expired_unfetched",
  "outofmemory",
  "reclaimed",
  "tailrepairs",
  "mem_requested",
  "moves_to_cold",
  "moves_to_warm",
  "moves_within_lru",
  "number_hot",
  "number_warm",
  "number_cold",
  "age_hot",
  "age_warm",
];

/** Of each class of `stats slabs`. */
const SLABS = [
  ...["get", "delete", "incr", "decr", "cas", "touch"].map((operation) => `${operation}_hits`),
  "cas_badval",
  "cmd_set",
  "chunk_size",
  "chunks_per_page",
  "total_pages",
  "total_chunks",
  "used_chunks",
  "free_chunks",
  "free_chunks_end",
];

const SETTINGS = ["maxconns", "lru_crawler_sleep", "lru_crawler_tocrawl", "hot_lru_pct", "warm_lru_pct", "hot_max_factor"];

/** One scrape: metrics by name, class and key. @throws Error where the exporter would report `up 0` or leave a metric out */
export async function scrape(ask: Ask): Promise<Map<string, number>> {
  const metrics = new Map<string, number>();
  const general = new Map<string, string>();
  const classes = new Map<string, Map<string, string>>();
  for (const command of ["stats", "stats slabs", "stats items"]) {
    for (const line of lines(await ask(`${command}\r\n`))) {
      const words = line.split(" ");
      if (words.length !== 3 || words[0] !== "STAT") continue;
      const [, key = "", value = ""] = words;
      const parts = key.split(":");
      if (parts.length === 1) general.set(key, value);
      else {
        const [kind, number, name] = parts.length === 2 ? ["slabs", ...parts] : parts;
        if (!/^-?\d+$/.test(number ?? "")) throw new Error(`class of "${line}" is no number`);
        const id = `${kind}:${number}`;
        classes.set(id, (classes.get(id) ?? new Map<string, string>()).set(name ?? "", value));
      }
    }
  }
  if ((general.get("version") ?? "") === "") throw new Error("no version");
  for (const key of GENERAL) metrics.set(key, number(general, key));
  for (const key of ["rusage_user", "rusage_system"]) metrics.set(key, timeval(general, key));
  for (const [id, values] of classes) {
    // A counter from the items and a gauge from the slabs, of one name: it refuses the whole scrape.
    if (id.startsWith("slabs:") && values.has("mem_requested")) throw new Error(`"mem_requested" of ${id} collides`);
    for (const key of id.startsWith("items:") ? ITEMS : SLABS) metrics.set(`${id}:${key}`, number(values, key));
  }
  const settings = new Map<string, string>();
  for (const line of lines(await ask("stats settings\r\n"))) {
    const words = line.split(" ");
    if (words.length !== 3 && words.length !== 4) throw new Error(`unexpected stats line format "${line}"`);
    settings.set(words[1] ?? "", words[2] ?? "");
  }
  for (const key of SETTINGS) metrics.set(key, number(settings, key));
  for (const key of ["lru_crawler", "lru_maintainer_thread"]) metrics.set(key, yesOrNo(settings, key));
  return metrics;
}

function lines(answer: string): string[] {
  const all = answer.split("\r\n");
  if (all.pop() !== "" || all.pop() !== "END") throw new Error(`answer does not end with END: "${answer.slice(-100)}"`);
  return all;
}

function textOf(stats: ReadonlyMap<string, string>, key: string): string {
  const value = stats.get(key);
  if (value === undefined) throw new Error(`no "${key}"`);
  return value;
}

function number(stats: ReadonlyMap<string, string>, key: string): number {
  const value = textOf(stats, key);
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)) throw new Error(`"${key}" is "${value}", which is no number`);
  return Number(value);
}

function timeval(stats: ReadonlyMap<string, string>, key: string): number {
  const value = textOf(stats, key);
  const parts = value.split(".");
  if (parts.length !== 2 || parts.some((part) => !/^\d+$/.test(part)))
    throw new Error(`"${key}" is "${value}", which is no time`);
  return Number(parts[0]) + Number(parts[1]) / 1e6;
}

function yesOrNo(stats: ReadonlyMap<string, string>, key: string): number {
  const value = textOf(stats, key);
  if (value !== "yes" && value !== "no") throw new Error(`"${key}" is "${value}", neither yes nor no`);
  return value === "yes" ? 1 : 0;
}
