/**
 * The commands of a node server, one row per word; see `command_rows.ts`. The rows only say which group executes a command; the
 * groups document it.
 */

import { type CommandRow, CommandSet, noted } from "../net/command_rows.ts";
import type { ClientSession } from "../net/connection/client_session.ts";
import type { BinaryReply } from "../protocol/binary/binary_reply.ts";
import { type BinaryWord, Command, type CommandShape, type NodeWord, type WordsWith } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import type { AdminCommands } from "./commands/admin_commands.ts";
import type { CompareCommands } from "./commands/compare_commands.ts";
import type { DumpCommands } from "./commands/dump_commands.ts";
import type { FlushCommands } from "./commands/flush_commands.ts";
import { takeForwards } from "./commands/forward_commands.ts";
import type { KeyListings } from "./commands/key_listings.ts";
import type { LaneCommands } from "./commands/lane_commands.ts";
import type { MetaCommands } from "./commands/meta_commands.ts";
import type { ReadCommands } from "./commands/read_commands.ts";
import type { RejoinCommands } from "./commands/rejoin_commands.ts";
import type { ScanCommands } from "./commands/scan_commands.ts";
import type { StatsReports } from "./commands/stats_reports.ts";
import type { StreamCommands } from "./commands/stream_commands.ts";
import type { TtlCommand } from "./commands/ttl_command.ts";
import type { WriteCommands } from "./commands/write_commands.ts";
import type { Watchers } from "./stats/watchers.ts";

/** The groups of commands of one node server. */
export interface CommandGroups {
  readonly read: ReadCommands;
  readonly rejoin: RejoinCommands;
  readonly write: WriteCommands;
  readonly stream: StreamCommands;
  readonly ttl: TtlCommand;
  readonly meta: MetaCommands;
  readonly dump: DumpCommands;
  readonly scan: ScanCommands;
  readonly listings: KeyListings;
  readonly lane: LaneCommands;
  readonly flush: FlushCommands;
  readonly stats: StatsReports;
  readonly admin: AdminCommands;
  readonly compare: CompareCommands;
  readonly watchers: Watchers;
}

/** Executes a binary request that is not about an item. */
type RunPacket = (groups: CommandGroups, request: Request, reply: BinaryReply, session: ClientSession) => void | Promise<void>;

/** Words of the binary protocol with their own answers there. Those with a key are answered by their group. */
type PacketWord = BinaryWord & WordsWith<{ shape: typeof CommandShape.words }>;

type NodeRows = {
  readonly [Word in NodeWord]: CommandRow<CommandGroups> & (Word extends PacketWord ? { readonly packet: RunPacket } : unknown);
};

const succeed: RunPacket = (_groups, _request, reply) => reply.success(0);

export const nodeCommands = {
  get: {
    access: "everyone",
    run: ({ read }, request, reply, session) => read.retrieve(request, reply, session),
    section: "items",
    lines: [["<key>…", "`VALUE <key> <flags> <bytes>`, the data, for each hit; then `END`"]],
  },
  gets: {
    access: "everyone",
    run: ({ read }, request, reply, session) => read.retrieve(request, reply, session),
    section: "items",
    lines: [["<key>…", "the same, with the version after `<bytes>`"]],
  },
  gat: {
    access: "everyone",
    run: ({ write }, request, reply) => write.touchAndRetrieve(request, reply),
    section: "items",
    lines: [
      ["<exptime> <key>…", "like `get`, and sets the items' expiry"],
      ["<key> <exptime>", "Flare's form: one key, no `END`, a miss is `NOT_FOUND`"],
    ],
  },
  gats: {
    access: "everyone",
    run: ({ write }, request, reply) => write.touchAndRetrieve(request, reply),
    section: "items",
    lines: [["<exptime> <key>…", "like `gets`, and sets the items' expiry"]],
  },
  set: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [
      [
        "<key> <flags> <exptime> <bytes> [<version>] [option…]",
        "`STORED`; with a version: `NOT_STORED` unless it is larger than the item's",
      ],
    ],
  },
  add: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <flags> <exptime> <bytes> [option…]", "`STORED`, or `NOT_STORED` if the item exists"]],
  },
  replace: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <flags> <exptime> <bytes> [option…]", "`STORED`, or `NOT_STORED` if there is no item"]],
  },
  append: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <flags> <exptime> <bytes> [option…]", "the same; the item keeps its flags and its expiry"]],
  },
  prepend: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <flags> <exptime> <bytes> [option…]", "the same"]],
  },
  cas: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <flags> <exptime> <bytes> <version> [option…]", "`STORED`, `EXISTS` (another version), `NOT_FOUND`"]],
  },
  restore: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [
      [
        "<key> <flags> <exptime> <bytes> <version> [option…]",
        "an item of a backup: `STORED`; `NOT_STORED` if the key has that version or a newer one, or had it when it was " +
          "deleted",
      ],
    ],
  },
  incr: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [
      ["<key> <delta> [option…]", "the number, or `NOT_FOUND`; `CLIENT_ERROR cannot increment or decrement non-numeric value`"],
    ],
  },
  decr: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <delta> [option…]", "the same; the number stops at 0"]],
  },
  delete: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [
      [
        "<key> [<time> [<version>]] [option…]",
        "`DELETED` or `NOT_FOUND`; for `<time>` seconds `add`, `replace` and similar commands are refused; " +
          "with a version: `NOT_FOUND` if it is smaller than the item's",
      ],
    ],
  },
  touch: {
    access: "everyone",
    run: ({ write }, request, reply, session) => write.write(request, reply, session),
    section: "items",
    lines: [["<key> <exptime> [option…]", "`TOUCHED` or `NOT_FOUND`"]],
  },
  ttl: {
    access: "everyone",
    run: ({ ttl }, request, reply) => ttl.ttl(request, reply),
    section: "items",
    lines: [["<key>", "`TTL <seconds>`: the seconds left, -1 for ever; or `NOT_FOUND`. It does not count as a read"]],
  },

  mg: {
    access: "everyone",
    run: ({ meta }, request, reply) => meta.get(request, reply),
    section: "meta",
    lines: [["<key> <flag>…", "get: `VA <bytes> <flag>…` and the data, or `HD <flag>…` without `v`; `EN` for a miss"]],
  },
  ms: {
    access: "everyone",
    run: ({ meta }, request, reply) => meta.write(request, reply),
    section: "meta",
    lines: [["<key> <bytes> <flag>…", "set: `HD`, `NS` (not stored), `EX` (another version), `NF` (not found)"]],
  },
  md: {
    access: "everyone",
    run: ({ meta }, request, reply) => meta.write(request, reply),
    section: "meta",
    lines: [["<key> <flag>…", "delete: `HD`, `NF`, `EX`"]],
  },
  ma: {
    access: "everyone",
    run: ({ meta }, request, reply) => meta.write(request, reply),
    section: "meta",
    lines: [["<key> <flag>…", "arithmetic: `HD`, or `VA <bytes>` and the number; `NF`, `NS`, `EX`"]],
  },
  mn: {
    access: "everyone",
    run: (_groups, _request, reply) => reply.line("MN"),
    packet: succeed,
    section: "meta",
    lines: [["", "`MN`: the answers so far are complete"]],
  },
  me: {
    access: "everyone",
    run: ({ meta }, request, reply) => meta.debug(request, reply),
    section: "meta",
    lines: [
      ["<key> [b]", "`ME <key> exp=… la=… cas=… fetch=… cls=1 size=…`: what this node knows about the item; `EN` for a miss"],
    ],
  },

  scan: {
    access: "everyone",
    run: ({ scan }, request, reply) => scan.scan(request, reply),
    section: "scans",
    lines: [
      [
        "<limit> [<flag>…]",
        "`KEY <key> <flags> <bytes> <version> <expire>` lines, or with `v` `VALUE` with the same words and " +
          "the data; then `END`, or `NEXT <cursor>` if there may be more",
      ],
    ],
  },
  delete_prefix: {
    access: "operators",
    audited: true,
    run: ({ scan }, request, reply, session) => scan.deletePrefix(request.words, reply, session),
    section: "scans",
    lines: [
      ["<limit> p<prefix> [<flag>…]", "deletes one page: `DELETED <count>`, or `MORE <count> <cursor>` if there may be more"],
    ],
  },
  // It affects all other clients, except for the two forms that only list.
  lru_crawler: {
    forms: {
      metadump: {
        access: "everyone",
        run: ({ listings }, request, reply, session) => listings.metadump(request.words, reply, session),
        section: "listings",
        lines: [
          [
            "<all|hash|class,…>",
            "`key=<key> exp=<second> la=<second> cas=<version> fetch=<yes|no> cls=1 size=<bytes>` lines, the key " +
              "URI-encoded, then `END`",
          ],
        ],
      },
      mgdump: {
        access: "everyone",
        run: ({ listings }, request, reply, session) => listings.mgdump(request.words, reply, session),
        section: "listings",
        lines: [["<all|hash|class,…>", "`mg <key>` lines, `mg <base64> b` for keys that do not fit into a line, then `EN`"]],
      },
      crawl: {
        access: "operators",
        audited: true,
        run: ({ listings }, request, reply) => reply.line(listings.crawl(request.words)),
        section: "listings",
        lines: [["<all|class,…>", "`OK`; looks for expired items on this node now"]],
      },
      sleep: {
        access: "operators",
        audited: true,
        run: ({ listings }, request, reply) => reply.line(listings.sleep(request.words)),
        section: "listings",
        lines: [["<µs>", "`OK`; sets the pause of a listing after each thousand keys"]],
      },
      tocrawl: {
        access: "operators",
        audited: true,
        run: ({ listings }, request, reply) => reply.line(listings.toCrawl(request.words)),
        section: "listings",
        lines: [["<n>", "`OK`; sets how many keys a `crawl` checks, 0 is all"]],
      },
      enable: {
        access: "operators",
        audited: true,
        run: ({ listings }, request, reply) => reply.line(listings.enable(request.words)),
        section: "listings",
        lines: [["", "`OK`; `ERROR failed to start lru crawler thread` if it is enabled"]],
      },
      disable: {
        access: "operators",
        audited: true,
        run: ({ listings }, request, reply) => reply.line(listings.disable(request.words)),
        section: "listings",
        lines: [["", "`OK`; until `enable`, all but `sleep` and `tocrawl` answer `CLIENT_ERROR lru crawler disabled`"]],
      },
    },
    others: "operators",
  },

  ping: {
    access: "everyone",
    run: ({ admin }, request, reply) => admin.ping(request.words, reply),
    section: "node",
    lines: [["", "`OK`, or `SERVER_ERROR storage error`"]],
  },
  version: {
    access: "everyone",
    run: ({ flush, admin }, _request, reply, session) => {
      flush.onVersion(session);
      admin.version(reply);
    },
    packet: ({ admin }, _request, reply) => reply.text(admin.versionText),
    section: "node",
    lines: [["", "`VERSION flare-<release>`, or `VERSION <release> flare` with `version-format = memcached`"]],
  },
  stats: {
    forms: {
      "": {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.general(reply),
        section: "node",
        lines: [["", "the node's statistics: Flare's keys, then more of memcached's; `bytes` is the size on disk"]],
      },
      nodes: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.nodes(reply),
        section: "node",
        lines: [["", "role, state, partition and balance of every node, as this node sees them"]],
      },
      threads: {
        access: "everyone",
        run: ({ stats }, request, reply) => stats.threads(request.words.slice(1), reply),
        section: "node",
        lines: [["[request|slave|queue]", "connections and other work; the leading number is the id for `kill`"]],
      },
      replication: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.replication(reply),
        section: "node",
        lines: [["", "what replication promises, who is in sync and how far behind; copies on their way, failed, dropped"]],
      },
      latency: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.latency(reply),
        section: "node",
        lines: [
          [
            "",
            "how long a sample of requests took: `<command>:<n>` are those of up to n seconds, and more than the bound " +
              "before; `<command>:inf` the rest, `<command>:sum` the seconds of all",
          ],
        ],
      },
      slow: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.slow(reply),
        section: "node",
        lines: [["", "the newest requests that took `slow-log-ms` or longer, see [below](#slow-requests-and-hot-keys)"]],
      },
      hot: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.hot(reply),
        section: "node",
        lines: [["", "the keys that are asked for most now, of a sample, see [below](#slow-requests-and-hot-keys)"]],
      },
      settings: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.settings(reply),
        section: "node",
        lines: [["", "the settings, and memcached's settings under memcached's names"]],
      },
      items: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.items(reply),
        section: "node",
        lines: [["", "the items in memory, as one slab class"]],
      },
      slabs: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.slabs(reply),
        section: "node",
        lines: [["", "the memory they take"]],
      },
      sizes: {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.sizes.print(reply),
        section: "node",
        lines: [["", "a histogram of the sizes of items in memory, in steps of 32 bytes, once it is enabled"]],
      },
      sizes_enable: {
        access: "operators",
        audited: true,
        run: ({ stats }, _request, reply) => stats.sizes.enable(true, reply),
        section: "node",
        lines: [["", "`STAT sizes_status enabled`"]],
      },
      sizes_disable: {
        access: "operators",
        audited: true,
        run: ({ stats }, _request, reply) => stats.sizes.enable(false, reply),
        section: "node",
        lines: [["", "`STAT sizes_status disabled`"]],
      },
      conns: {
        access: "everyone",
        run: ({ stats }, _request, reply, session) => stats.connections(reply, session),
        section: "node",
        lines: [["", "each listener and connection: `<id>:addr`, `listen_addr`, `state`, `secs_since_last_cmd`"]],
      },
      "detail dump": {
        access: "everyone",
        run: ({ stats }, _request, reply) => stats.detailDump(reply),
        section: "node",
        lines: [
          [
            "",
            "requests counted by the part of their keys before the first `:`: `PREFIX <prefix> get <n> hit <n> " +
              "set <n> del <n>`",
          ],
        ],
      },
      detail: {
        access: "operators",
        audited: true,
        run: ({ stats }, request, reply) => stats.detail(request.words[1], reply),
        section: "node",
        lines: [["<on|off>", "`OK`; turns this counting on and off"]],
      },
      reset: {
        access: "operators",
        audited: true,
        run: ({ stats }, _request, reply) => stats.reset(reply),
        section: "node",
        lines: [["", "`RESET`; resets counters to 0, leaves gauges alone"]],
      },
      cachedump: {
        access: "everyone",
        run: ({ listings }, request, reply, session) => listings.cachedump(request.words.slice(1), reply, session),
        section: "listings",
        lines: [["<class> <limit>", "`ITEM <key> [<bytes> b; <second> s]` lines, then `END`; limit 0 is all"]],
      },
    },
    others: "everyone",
    packet: (groups, request, reply, session) => {
      reply.bind(request.clone());
      return nodeCommandSet.run(groups, request, reply, session);
    },
  },
  cache_memlimit: {
    access: "operators",
    audited: true,
    run: ({ admin }, request, reply) => admin.cacheMemlimit(request.words, reply),
    section: "node",
    lines: [["<MiB> [noreply]", "`OK`; changes `memory-limit` until the next start or SIGHUP"]],
  },
  watch: {
    access: "operators",
    run: ({ watchers }, request, reply, session) => watchers.watch(request.words, reply, session),
    section: "node",
    lines: [["[<kind>…]", "`OK`, then a line for each event, see below"]],
  },
  show: {
    access: "everyone",
    run: ({ admin }, request, reply) => admin.show(request.words, reply),
    section: "node",
    lines: [["variables", "the settings, in the original's format"]],
  },
  // They send all data with its versions, or every event.
  dump: {
    access: "operators",
    run: ({ dump }, request, reply, session) => dump.dump(request, reply, session),
    section: "node",
    lines: [
      [
        "[<wait_us> [<partition> <partition_size> [<KiB/s>]]]",
        "every item of this node, as `VALUE <key> <flags> <bytes> <version> <exptime>` and data, in key order, then `END`",
      ],
    ],
  },
  dump_key: {
    access: "operators",
    run: ({ dump }, request, reply, session) => dump.dump(request, reply, session),
    section: "node",
    lines: [["[<partition> <partition_size> [<KiB/s>]]", "`KEY <key>` lines, then `END`"]],
  },
  keys: {
    access: "everyone",
    run: ({ read }, request, reply, session) => read.keys(request, reply, session),
    section: "node",
    lines: [["<prefix>… <limit>", "`KEY <key>` lines, up to `<limit>` for each prefix, then `END`"]],
  },
  flush_all: {
    access: "operators",
    audited: true,
    run: ({ flush }, request, reply, session) => flush.flushAll(request, reply, session),
    packet: ({ flush }, request, reply, session) => {
      // It may take a while, and by then the request object is reused.
      reply.bind(request.clone());
      return noted(request, reply, session, () => flush.flushAll(request, reply, session));
    },
    section: "node",
    lines: [["[<delay>] [noreply]", "`OK`; deletes everything in the cluster, at once or after the delay, see below"]],
  },
  kill: {
    access: "operators",
    audited: true,
    run: ({ admin }, request, reply) => admin.kill(request.words, reply),
    section: "node",
    lines: [["<id>", "`OK` or `CLIENT_ERROR thread not found`"]],
  },
  verbosity: {
    access: "everyone",
    run: ({ admin }, request, reply) => admin.verbosity(request.words, reply),
    packet: succeed,
    section: "node",
    lines: [["<level> [noreply]", "`OK`; changes nothing"]],
  },
  // It reads files, and may change who can connect.
  refresh_certs: {
    access: "operators",
    audited: true,
    run: ({ admin }, request, reply) => admin.refreshCertificates(request.words, reply),
    section: "node",
    lines: [
      [
        "[noreply]",
        "`OK`; reloads the certificates ([TLS](operations.md#tls)). `Error <what is wrong>`: the ones in use " +
          "stay; `Error TLS not enabled`",
      ],
    ],
  },
  quit: {
    access: "everyone",
    run: () => undefined,
    packet: succeed,
    section: "node",
    lines: [["", "closes the connection"]],
  },

  // It decides where all keys are.
  node: {
    forms: {
      sync: {
        access: "operators",
        run: ({ admin }, request, reply) => admin.nodeSync(request, reply),
        section: "nodes",
        lines: [
          [
            "[<version>]",
            "`OK`, or `SERVER_ERROR node sync error` if the node has a newer map; `NODE` lines and `END` follow the request",
          ],
        ],
      },
      handover: {
        access: "operators",
        audited: true,
        run: ({ admin }, request, reply) => admin.nodeHandover(request.words.slice(1), reply),
        section: "nodes",
        lines: [["<milliseconds>", "`OK` when a slave may take over; `SERVER_ERROR <why>`"]],
      },
      admit: {
        access: "operators",
        run: ({ admin }, request, reply) => admin.nodeAdmit(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          ["<host> <port>", "`OK` when the slave is in the [in-sync set](#between-servers); `SERVER_ERROR copy again: <why>`"],
        ],
      },
      yield: {
        access: "operators",
        run: ({ admin }, request, reply) => admin.nodeYield(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          [
            "<host> <port> <map version>",
            "`OK` when that node has every write of this master's that it takes over; `SERVER_ERROR <why>`: not now",
          ],
        ],
      },
      recopy: {
        access: "operators",
        audited: true,
        run: ({ admin }, _request, reply) => admin.nodeRecopy(reply),
        section: "nodes",
        lines: [["", "`OK`: the next copy of this node is a whole one, whatever it has"]],
      },
      rejoin: {
        access: "operators",
        run: ({ rejoin }, request, reply) => rejoin.rejoin(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          [
            "<host> <port> <history>:<sequence>…",
            "`REJOIN <stream> <history> <sequence> <next sequence>`: the slave continues there; `COPY <why>`; " +
              "`SERVER_ERROR <why>`",
          ],
        ],
      },
      rewrite: {
        access: "operators",
        run: ({ rejoin }, request, reply) => rejoin.rewrite(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          [
            "<partition>/<partitions> <key>:<digest>…",
            "`OK` when the master has written once more what it has in another state",
          ],
        ],
      },
      flush: {
        access: "operators",
        run: ({ flush }, request, reply) => flush.nodeFlush(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          ["", "`FLUSH <second>`: when a flush is scheduled, 0 = none"],
          ["<now|none|second> <node|partition|cluster>", "`OK` or `SERVER_ERROR <why>`"],
        ],
      },
      compare: {
        access: "operators",
        run: ({ compare }, request, reply) => compare.compare(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          [
            "<host> <port> <after> [repair]",
            "one page of the [comparison](#between-servers) of this master with a slave: `DIFFERENT` lines, `COMPARED`, `END`",
          ],
        ],
      },
      digest: {
        access: "operators",
        run: ({ compare }, request, reply) => compare.digest(request.words.slice(1), reply),
        section: "nodes",
        lines: [
          ["<partition>/<partitions> range <after> <to>", "`DIGEST <items> <digest> <reached>`"],
          [
            "<partition>/<partitions> items <after> <to>",
            "`KEY <key> <version> <expire> <digest>` lines, then `END`, or `NEXT <reached>`",
          ],
          ["<partition>/<partitions> keys <key>…", "the same for the items that exist of these"],
        ],
      },
      snapshot: {
        access: "operators",
        run: ({ dump }, request, reply, session) => dump.snapshot(request.words.slice(1), reply, session),
        section: "nodes",
        lines: [
          [
            "<partition>/<partitions> [<KiB/s>]",
            "every item and deletion of this master at one moment: see [snapshots](#between-servers)",
          ],
        ],
      },
    },
    others: "operators",
  },
  forward: {
    access: "operators",
    run: (_groups, request, reply, session) => takeForwards(request, reply, session),
    section: "nodes",
    lines: [["<map version>", "`OK`: requests that follow on this connection are [forwarded](#between-servers) by the sender"]],
  },
  lane: {
    access: "operators",
    run: ({ lane }, request, reply, session) => lane.lane(request, reply, session),
    section: "nodes",
    lines: [
      [
        "open <id> [<host:port>]",
        "`OK`: the sender's name for this connection; an error if it is meant for another node than this one",
      ],
      ["meet <host:port>", "`OK`; an error if this is another node"],
      [
        "ask <id>",
        "`BUSY`: requests on the sender's connection of this name wait here for their answers; `IDLE`: none does, or no such " +
          "connection is here",
      ],
    ],
  },
  // It replaces items whatever is there.
  stream: {
    access: "operators",
    run: ({ stream }, request, reply) => stream.open(request, reply),
    section: "nodes",
    lines: [
      [
        "<id> [<sequence>]",
        "`OK`: this slave follows the master's replication stream, from its first block or from `<sequence>` on; `LOST`: it " +
          "cannot be continued; `AGAIN <why>`: not now",
      ],
    ],
  },
  beacon: {
    access: "operators",
    run: ({ stream }, request, reply) => stream.beacon(request, reply),
    section: "nodes",
    lines: [
      [
        "<id> <number> <proved number> <master's milliseconds> <slave's milliseconds> <replicated sequence> " +
          "<newest sequence> <partitions>",
        "`OK`: this slave takes the sender for its master for the first time, and may answer reads for the second; " +
          "`AGAIN <why>`",
      ],
    ],
  },
  block: {
    access: "operators",
    run: ({ stream }, request, reply) => stream.block(request, reply),
    section: "nodes",
    lines: [
      [
        "<id> <map version> <sequence> <records> <salt> <replicated sequence> <bytes>",
        "`OK` when the records of the master's change log are stored here; `AGAIN <why>`: not now; `SERVER_ERROR <why>`",
      ],
    ],
  },
} as const satisfies NodeRows;

/** The commands of a node server, ready for requests. */
export const nodeCommandSet: CommandSet<CommandGroups> = new CommandSet<CommandGroups>(nodeCommands, { takesNodeMaps: true });

const PACKETS = Object.entries(nodeCommands as NodeRows).reduce<RunPacket[]>((packets, [word, row]) => {
  if ("packet" in row) packets[Command[word as NodeWord]] = row.packet as RunPacket;
  return packets;
}, []);

/** Executes a binary request that concerns no item. */
export function runPacket(
  groups: CommandGroups,
  request: Request,
  reply: BinaryReply,
  session: ClientSession,
): void | Promise<void> {
  return (PACKETS[request.command] as RunPacket)(groups, request, reply, session);
}
