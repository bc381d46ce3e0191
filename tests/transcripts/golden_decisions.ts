/**
 * Where our answer is neither the C++ Flare's nor memcached's recorded one, or where both are possible and we had to
 * choose. Each stands in docs/compatibility.md with its reason.
 */

import { OUR_META_LINES } from "./our_joins.ts";

export interface Decision {
  readonly expect: string;
  readonly closed?: boolean;
}

const BAD_LINE = "CLIENT_ERROR bad command line format\r\n";
const NO_PARTITION = "SERVER_ERROR no partition available\r\n";
const PROXY_FAILURE = "SERVER_ERROR proxy failure\r\n";
const BAD_DELETE = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
const INDEX_META =
  "META partition-size 1024\r\nMETA key-hash-algorithm simple\r\nMETA partition-type modular\r\n" +
  `META partition-modular-hint 1\r\nMETA partition-modular-virtual 4096\r\n${OUR_META_LINES}END\r\n`;
const VERSION_LINE = "VERSION flare-1.3.4\r\n";

export const DECISIONS: Readonly<Record<string, Decision>> = {
  // Chosen: memcached's way with malformed lines.
  "proxy-parse-error": { expect: BAD_LINE + BAD_LINE },
  "slave-parse-error": { expect: BAD_LINE + BAD_LINE },
  // `noreply` silences the refused line; what is behind it is a line of its own.
  "set-noreply-bad-header": { expect: BAD_LINE },
  // A value that nobody takes must not be read as commands.
  "set-bytes-too-large": { expect: BAD_LINE, closed: true },
  "set-bytes-overflow": { expect: BAD_LINE, closed: true },
  "index-set": { expect: "ERROR\r\n" },
  "gat-multi": { expect: "STORED\r\nCLIENT_ERROR invalid exptime argument\r\n" },
  "quit-arg": { expect: "", closed: true },
  // Words behind a deleted key mean something here: what cannot be read must not delete whatever is there.
  "delete-garbage": { expect: `STORED\r\n${BAD_DELETE}` },
  "delete-negative-time": { expect: `STORED\r\n${BAD_DELETE}` },
  "delete-three-numbers": { expect: BAD_DELETE },
  // Chosen: Flare's way, which older memcached shares: blanks in front of a word do not count, a NUL ends the line.
  "get-leading-space": { expect: "STORED\r\nVALUE m9 0 1\r\n1\r\nEND\r\n" },
  "key-nul": { expect: "STORED\r\nVALUE nulk 0 1\r\nx\r\nEND\r\n" },
  // Chosen: Flare's way, because memcached has no use for the same bytes.
  "unknown-then-ok": { expect: `ERROR\r\n${VERSION_LINE}` },
  "line-100k": { expect: "ERROR\r\n" },
  gat: { expect: `STORED\r\nVALUE g1 3 3\r\nabc\r\n${VERSION_LINE}` },
  "gat-missing": { expect: "NOT_FOUND\r\n" },
  version: { expect: VERSION_LINE },
  "version-arg": { expect: VERSION_LINE },
  "verbosity-noreply": { expect: VERSION_LINE },
  "unsupported-slabs": { expect: "ERROR\r\n" },
  "unsupported-shutdown": { expect: "ERROR\r\n" },
  // Chosen: memcached's, which exporters, dashboards and libraries ask for; Flare answers ERROR or nothing.
  "unsupported-cache_memlimit": { expect: "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n" },
  // What another node forwards to a slave goes to its master, which has none of these items.
  "slave-prefix-incr": { expect: "NOT_FOUND\r\nVALUE Sm5 0 1 77\r\n1\r\nEND\r\n" },
  "slave-delete-unversioned": { expect: "STORED\r\nNOT_FOUND\r\nVALUE Sm8 0 1\r\nx\r\nEND\r\n" },
  "slave-prefix-touch": { expect: "STORED\r\nNOT_FOUND\r\nVALUE Sm9 0 1 10\r\nx\r\nEND\r\n" },
  "slave-prefix-cas": { expect: "STORED\r\nNOT_FOUND\r\nVALUE Sm11 0 1 10\r\nx\r\nEND\r\n" },
  // The delay is waited out.
  "tcb-flush_all-delay": { expect: "OK\r\nVALUE ka 1 2\r\nAA\r\nEND\r\n" },
  // One more line tells our nodes that they may say which data they have.
  "index-meta": { expect: INDEX_META },
  // A client's flush_all is the cluster's, and there is none.
  "nopartition-flush_all": {
    expect: "SERVER_ERROR flush_all: nothing was flushed, because no partition available\r\n",
  },
  "tcb-flush_all-bad": { expect: "CLIENT_ERROR invalid exptime argument\r\nVALUE ka 1 2\r\nAA\r\nEND\r\n" },
  "tcb-flush_all-sync": { expect: "CLIENT_ERROR invalid exptime argument\r\nVALUE ka 1 2\r\nAA\r\nEND\r\n" },
  "stats-reset": { expect: "RESET\r\n" },
  "stats-sizes": { expect: "STAT sizes_status disabled\r\nEND\r\n" },
  // Chosen: a miss is said by a node that has the key's partition, and by nobody else.
  "nopartition-get": { expect: NO_PARTITION },
  "nopartition-gets": { expect: NO_PARTITION },
  "nopartition-keys": { expect: NO_PARTITION },
  "masterdown-get": { expect: PROXY_FAILURE },
  "masterdown-gets": { expect: PROXY_FAILURE },
  "masterdown-keys": { expect: PROXY_FAILURE },
  // Keys may be 8191 bytes long here.
  "key-8192-get": { expect: `STORED\r\n${BAD_LINE}` },
  // memcached's answer but for the version, which counts the writes of a key here.
  "incr-nonnumeric": {
    expect: "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nVALUE i3 4 3 1\r\nabc\r\nEND\r\n",
  },
};

const THREAD =
  "(?:STAT \\d+:type \\d+\\r\\nSTAT \\d+:peer [^\\r]*:\\d+\\r\\nSTAT \\d+:op [a-z_]*\\r\\nSTAT \\d+:uptime \\d+\\r\\n" +
  "STAT \\d+:state [a-z]+\\r\\nSTAT \\d+:info \\r\\nSTAT \\d+:queue \\d+\\r\\nSTAT \\d+:behind \\d+\\r\\n)";

/** Answers that depend on what else the server is doing: their form is checked. */
export const LOOSE: Readonly<Record<string, RegExp>> = {
  "stats-threads": new RegExp(`^${THREAD}+END\\r\\n$`),
  "stats-threads-request": new RegExp(
    `^${THREAD}*STAT \\d+:type 1\\r\\n[^]*:op stats\\r\\n[^]*:state execute\\r\\n[^]*END\\r\\n$`,
  ),
  // Two lanes in the original; here one stream.
  "stats-threads-slave": /^STAT (\d+):type 17\r\n[\s\S]*?STAT \1:op stream\r\n[\s\S]*?STAT \1:behind 0\r\nEND\r\n$/,
  "index-stats-threads": new RegExp(`^${THREAD}+END\\r\\n$`),
  "index-stats-threads-request": new RegExp(
    `^${THREAD}*STAT \\d+:type 1\\r\\n[^]*:op stats\\r\\n[^]*:state execute\\r\\n[^]*END\\r\\n$`,
  ),
  // The engine is ordered, so `keys` works whatever the storage type is called.
  "keys-tch": /^(?:KEY a[^\r]*\r\n)+END\r\n$/,
  // A replica that is asked right after an asynchronous write may or may not have it yet.
  "slave-prefix-add-existing": /^STORED\r\nSTORED\r\nVALUE Sm10 0 1 (?:10\r\nx|11\r\ny)\r\nEND\r\n$/,
  "proxy-set-get": /^STORED\r\n(?:VALUE P2 7 5\r\nhello\r\n)?END\r\n$/,
  // Which items there are depends on what came before; those lines end with LF alone in memcached.
  "unsupported-lru_crawler":
    /^(?:key=[A-Za-z0-9\-._~%]+ exp=(?:-1|\d+) la=\d+ cas=\d+ fetch=(?:yes|no) cls=1 size=\d+\n)+END\r\n$/,
  // Flare's keys in Flare's order, because its tools rely on them; memcached's further ones behind them.
  stats: new RegExp(
    "^STAT pid \\d+\\r\\n[^]*STAT evictions 0\\r\\n[^]*STAT limit_maxbytes 268435456\\r\\nSTAT threads \\d+\\r\\n" +
      "STAT pool_threads \\d+\\r\\nSTAT node_map_version \\d+\\r\\n(?:STAT [a-z_]+ \\d+\\r\\n){30,}END\\r\\n$",
  ),
  "index-stats": new RegExp(
    "^STAT pid \\d+\r\n(?:STAT [a-z_]+ [^\r]+\r\n)+STAT node_map_version \\d+\r\n" +
      "STAT rejected_http_requests \\d+\r\n(?:STAT index_[a-z_]+ [^\r]+\r\n)+END\r\n$",
  ),
  "stats-items": /^(?:STAT items:1:[a-z_]+ \d+\r\n){28}END\r\n$/,
  "stats-items-extra": /^(?:STAT items:1:[a-z_]+ \d+\r\n){28}END\r\n$/,
  "stats-slabs": /^(?:STAT 1:[a-z_]+ \d+\r\n){15}STAT active_slabs 1\r\nSTAT total_malloced \d+\r\nEND\r\n$/,
  // Asked for by memcached's exporters and tools; the C++ Flare says ERROR.
  "stats-settings": /^(?:STAT [^\r]+\r\n)+END\r\n$/,
};
