/**
 * What the recorded cluster conversations do not show: the clusters they begin with, what happened in between, and
 * where our servers say something else and why. The differences stand in docs/compatibility.md, too.
 */

import type { NodeServerOptions } from "../../mod.ts";
import type { Group, Message } from "./golden_cluster_stage.ts";

/** One message of a conversation that differs: `c1 client>A` and what is said, `connect`, `close` or `pass <ms>`. */
function say(way: string, data: string): Message {
  const [conn = "", hosts = ""] = way.split(" ");
  const [from = "", to = ""] = hosts.split(">");
  const message = { conn: Number(conn.slice(1)), from, to };
  if (data === "connect" || data === "close") return { ...message, event: data };
  return data.startsWith("pass ") ? { ...message, event: "pass", ms: Number(data.slice(5)) } : { ...message, data };
}

const KEYS = [0, 1, 2, 3, 4, 5].map((number) => `set key${number} 0 0 2\r\nv1\r\n`).join("");
const OPAQUE = "\xde\xad\xbe\xef";
const BINARY_SET = `\x80\x01\0\x04\x08\0\0\0\0\0\0\x0d${OPAQUE}${"\0".repeat(7)}\x05${"\0".repeat(8)}bin1x`;
const NOREPLY_ANSWERED = "a client's noreply is forwarded with an answer, so that its later requests for the key come after it";
const JOINED_AGAIN = "a node that joins again hears of the new map as everybody does";

const HUNG =
  "node sync 7\r\nNODE 127.0.0.1 22281 0 0 0 1 16\r\nNODE 127.0.0.1 22282 2 2 -1 0 17\r\n" +
  "NODE 127.0.0.1 22283 2 0 -1 0 18\r\nEND\r\n";
const FAILED_OVER =
  "node sync 12\r\nNODE 127.0.0.1 22241 2 2 -1 0 16\r\nNODE 127.0.0.1 22242 1 0 0 1 17\r\n" +
  "NODE 127.0.0.1 22243 0 0 0 3 18\r\nNODE 127.0.0.1 22244 2 0 -1 0 19\r\nEND\r\n";

/** Settings for replication to another cluster's node. */
function otherCluster(port: number, mode: "duplicate" | "forward"): Partial<NodeServerOptions> {
  return {
    clusterReplication: true,
    clusterReplicationServerName: "127.0.0.1",
    clusterReplicationServerPort: port,
    clusterReplicationMode: mode,
    clusterReplicationConcurrency: 2,
  };
}

/** The activation of a partition as our index server tells it. */
function activation(): Message[] {
  const map = ["22221 0 0 0 1 16", "22222 0 0 1 1 17", "22223 1 0 0 1 18", "22224 2 0 -1 0 19", "22225 1 0 1 1 20"]
    .map((node) => `NODE 127.0.0.1 ${node}\r\n`)
    .join("");
  const push = `node sync 14\r\n${map}END\r\n`;
  return [
    say("c1 client>index", "node state 127.0.0.1 22222 active\r\n"),
    say("c5 index>A2", push),
    say("c5 A2>index", "OK\r\n"),
    say("c4 index>A", push),
    say("c4 A>index", "OK\r\n"),
    say("c2 index>B", push),
    say("c3 index>B2", push),
    say("c6 index>P", push),
    say("c1 index>client", "OK\r\n"),
    say("c2 B>index", "OK\r\n"),
    say("c3 B2>index", "OK\r\n"),
    say("c6 P>index", "OK\r\n"),
  ];
}

/** The push of a map in which a second slave copies, or has given up. */
function copying(version: number, second: string): string {
  const nodes = ["22401 0 0 0 1 16", "22402 1 1 0 0 17", `22403 ${second} 18`];
  return `node sync ${version}\r\n${nodes.map((node) => `NODE 127.0.0.1 ${node}\r\n`).join("")}END\r\n`;
}

/** A server that joins a fake index server, alone in its group. */
function joins(name: string, fails: boolean): Group {
  return { first: name, last: name, map: "0:", preludes: { [name]: { fails } } };
}

export const GROUPS: readonly Group[] = [
  {
    first: "node-add-first",
    last: "rejoin-down-node",
    map: "0:",
    preludes: {
      "role-master-first": { command: "node role 127.0.0.1 22201 master 1 0" },
      "role-slave-reconstruction": {
        load: { A: "set k1 5 0 3\r\nabc\r\nset k2 0 0 1\r\ny\r\nset k2 0 4000000000 2\r\nyy\r\n" },
        command: "node role 127.0.0.1 22202 slave 1 0",
      },
      "slave-balance": { command: "node role 127.0.0.1 22202 slave 1 0" },
      "replicate-set": { map: "7: A 0 0 0 1 16, B 1 0 0 1 17, P 2 0 -1 0 18", say: ["node add 127.0.0.1 22203"], passMs: 1500 },
      "replicate-delete-time": { second: 1795355436 },
      "proxy-delete-time": { second: 1795355445 },
      "replicate-set-sync": { waits: true },
      "proxy-set-sync": { waits: true },
      "proxy-get": { draws: { A: 0, B: 1 } },
      "proxy-gets": { draws: { A: 0, B: 1 } },
      "proxy-get-miss": { draws: { A: 0, B: 1 } },
      "proxy-get-multi": { draws: { A: 0, B: 1 } },
      "proxy-keys": { draws: { A: 0, B: 1 } },
      "slave-get-balance0": {
        map: "8: A 0 0 0 1 16, B 1 0 0 0 17, P 2 0 -1 0 18",
        say: ["node role 127.0.0.1 22202 slave 0 0"],
      },
      "sigterm-slave": { stop: ["B"] },
    },
    deviations: {
      "proxy-set-noreply/P": {
        reason: NOREPLY_ANSWERED,
        messages: [
          say("c1 client>P", "set p5 0 0 1 noreply\r\nx\r\n"),
          say("c2 P>A", "<127.0.0.1:22203>set p5 0 0 1\r\nx\r\n"),
          say("c2 A>P", "STORED\r\n"),
        ],
      },
      "proxy-incr-noreply/P": {
        reason: NOREPLY_ANSWERED,
        messages: [
          say("c1 client>P", "set p8 0 0 1\r\n5\r\nincr p8 10 noreply\r\n"),
          say("c2 P>A", "<127.0.0.1:22203>set p8 0 0 1\r\n5\r\n"),
          say("c2 A>P", "STORED\r\n"),
          say("c1 P>client", "STORED\r\n"),
          say("c2 P>A", "<127.0.0.1:22203>incr p8 10\r\n"),
          say("c2 A>P", "15\r\n"),
        ],
      },
      "proxy-delete-noreply/P": {
        reason: NOREPLY_ANSWERED,
        messages: [
          say("c1 client>P", "delete p8 noreply\r\n"),
          say("c2 P>A", "<127.0.0.1:22203>delete p8 0\r\n"),
          say("c2 A>P", "DELETED\r\n"),
        ],
      },
      "proxy-binary-set/P": {
        reason: "a binary Set with a cas keeps its meaning when it is forwarded; opaque is echoed",
        messages: [
          say("c1 client>P", BINARY_SET),
          say("c2 P>A", "<127.0.0.1:22203>cas bin1 0 0 1 5\r\nx\r\n"),
          say("c2 A>P", "NOT_FOUND\r\n"),
          say("c1 P>client", `\x81\x01\0\0\0\0\0\x01\0\0\0\x09${OPAQUE}${"\0".repeat(8)}Not found`),
        ],
      },
      "proxy-binary-get/P": {
        reason: "the version is asked for, because binary replies carry it; opaque is echoed",
        messages: [
          say("c1 client>P", `\x80\0\0\x04\0\0\0\0\0\0\0\x04${OPAQUE}${"\0".repeat(8)}bin1`),
          say("c2 P>A", "gets bin1\r\n"),
          say("c2 A>P", "VALUE bin1 0 1 5\r\nx\r\nEND\r\n"),
          say("c1 P>client", `\x81\0\0\0\x04\0\0\0\0\0\0\x05${OPAQUE}${"\0".repeat(7)}\x05\0\0\0\0x`),
        ],
      },
      "flush_all-local/A": {
        reason: "a client's flush_all is the cluster's: the slave, which has only its own kind of it, gets it, too",
        extra: ["B flush_all"],
      },
      "rejoin-down-node/index": {
        reason: JOINED_AGAIN,
        extra: [
          "B node sync 10|NODE 127.0.0.1 22201 0 0 0 1 16|NODE 127.0.0.1 22202 2 2 -1 0 17|" +
            "NODE 127.0.0.1 22203 2 0 -1 0 18|END",
        ],
      },
      "proxy-keys/P": {
        reason: "an error is never a miss",
        messages: [
          say("c1 client>P", "keys p 5\r\n"),
          say("c2 P>A", "keys p 5\r\n"),
          say("c2 A>P", "SERVER_ERROR not available on current storage type\r\n"),
          say("c1 P>client", "SERVER_ERROR not available on current storage type\r\n"),
        ],
      },
      "proxy-keys/A": {
        reason: "keys works with every storage-type",
        messages: [say("c2 P>A", "keys p 5\r\n"), say("c2 A>P", "KEY p1\r\nKEY p2\r\nKEY p5\r\nKEY p6\r\nKEY p7\r\nEND\r\n")],
      },
    },
  },
  {
    first: "partition-create",
    last: "slave-bwlimit",
    map: "8: A 0 0 0 1 16, B 2 0 -1 0 17, A2 1 0 0 1 18, P 2 0 -1 0 19",
    load: { A: KEYS, A2: KEYS },
    options: { D: { reconstructionIntervalUs: 1000, reconstructionBwlimitBytesPerSecond: 102400 } },
    preludes: {
      "partition-create": { command: "node role 127.0.0.1 22222 master 1 1" },
      "partition-prepare-set-sync-moving": { waits: true },
      "partition-prepare-read-on-new-master": { draws: { A: 0, A2: 1 } },
      "partition-prepare-add-slave": {
        map: "11: A 0 0 0 1 16, B 0 3 1 1 17, A2 1 0 0 1 18, P 2 0 -1 0 19, B2 2 0 -1 0 20",
        say: ["node add 127.0.0.1 22225"],
        passMs: 1500,
        command: "node role 127.0.0.1 22225 slave 1 1",
      },
      "partition-activate": { ordered: true },
      "partition-active-read": { draws: { A: 0, A2: 1, B: 0, B2: 1 } },
      "partition-create-third-bwlimit": {
        map: "15: A 0 0 0 1 16, B 0 0 1 1 17, A2 1 0 0 1 18, P 2 0 -1 0 19, B2 1 0 1 1 20, D 2 0 -1 0 21",
        say: ["node add 127.0.0.1 22226"],
        passMs: 1500,
        command: "node role 127.0.0.1 22226 master 1 2",
      },
      "slave-bwlimit": { command: "node role 127.0.0.1 22226 slave 1 0" },
    },
    deviations: {
      "slave-bwlimit/D": {
        reason: "a slave asks its master for a sample of what it has before it drops that for a copy",
        extra: ["A gets key4"],
      },
      "partition-prepare-set-noreply-moving/P": {
        reason: NOREPLY_ANSWERED,
        messages: [
          say("c1 client>P", "set key1 0 0 2 noreply\r\nv4\r\n"),
          say("c2 P>A", "<127.0.0.1:22224>set key1 0 0 2\r\nv4\r\n"),
          say("c2 A>P", "STORED\r\n"),
        ],
      },
      "partition-prepare-touch-moving/A": {
        reason: "a node that is copying, or has copied and waits, gets the whole item before the touch, and answers that only",
        extra: ["B <127.0.0.1:22224,127.0.0.1:22221>set key1 0 4000000000 2 4|v4"],
        messages: [
          say("c2 P>A", "<127.0.0.1:22224>touch key1 4000000000\r\n"),
          say("c3 A>A2", "<127.0.0.1:22224,127.0.0.1:22221>touch key1 4000000000\r\n"),
          say("c4 A>B", "<127.0.0.1:22224,127.0.0.1:22221>touch key1 4000000000 noreply\r\n"),
          say("c3 A2>A", "TOUCHED\r\n"),
          say("c2 A>P", "TOUCHED\r\n"),
        ],
      },
      "partition-prepare-read-on-new-master/B": {
        reason: "the master of a new partition that has everything reads its keys itself",
        messages: [say("c1 client>B", "get key1\r\n"), say("c1 B>client", "VALUE key1 0 2\r\nv5\r\nEND\r\n")],
      },
      "partition-activate/index": {
        reason: "the current owners of the keys get it first, slaves before masters; nobody gets it twice",
        messages: activation(),
      },
    },
  },
  {
    first: "failover-kill9",
    last: "old-master-becomes-slave",
    map: "11: A 0 0 0 1 16, B 1 0 0 1 17, D 1 0 0 3 18, P 2 0 -1 0 19",
    load: { D: "set f1 0 0 1\r\nx\r\n" },
    preludes: {
      "failover-kill9": { kill: ["A"], without: ["A"], ordered: true },
      "failover-after": { without: ["A"] },
      "old-master-returns": { revive: ["A"] },
      "old-master-becomes-slave": { command: "node role 127.0.0.1 22241 slave 1 0" },
    },
    deviations: {
      "failover-kill9/P": {
        reason: "what never left is sent again by the newest map, here to the promoted slave",
        messages: [
          say("c1 client>P", "connect"),
          say("c1 client>P", "set f2 0 0 1\r\nx\r\n"),
          say("c5 index>P", FAILED_OVER),
          say("c5 P>index", "OK\r\n"),
          say("c2 P>D", "<127.0.0.1:22244>set f2 0 0 1\r\nx\r\n"),
          say("c2 D>P", "STORED\r\n"),
          say("c1 P>client", "STORED\r\n"),
        ],
      },
      "failover-kill9/index": {
        reason: "nodes that get it first do not get it again",
        messages: [
          say("c3 index>D", FAILED_OVER),
          say("c3 D>index", "OK\r\n"),
          say("c4 index>B", FAILED_OVER),
          say("c5 index>P", FAILED_OVER),
          say("c5 P>index", "OK\r\n"),
          say("c4 B>index", "OK\r\n"),
        ],
      },
      "old-master-returns/index": {
        reason: JOINED_AGAIN,
        extra: [
          "A node sync 13|NODE 127.0.0.1 22241 2 2 -1 0 16|NODE 127.0.0.1 22242 1 0 0 1 17|NODE 127.0.0.1 22243 0 0 0 3 18|" +
            "NODE 127.0.0.1 22244 2 0 -1 0 19|END",
        ],
      },
    },
  },
  {
    first: "down-master-without-slave",
    last: "index-lost-state-role",
    map: "3: A 0 0 0 1 16, P 2 0 -1 0 17",
    preludes: {
      "preserved-master-up": { passMs: 1500, map: "5: A 0 0 0 1 16, P 2 0 -1 0 17" },
      "node-remove": { say: ["node state 127.0.0.1 22262 down"] },
      "index-restart": { restartIndex: "kept" },
      "index-lost-state": { restartIndex: "lost" },
    },
    deviations: {
      "preserved-partition-request/P": {
        reason: "a miss is said by a node that has the key's partition, and by nobody else",
        messages: [
          say("c1 client>P", "set g2 0 0 1\r\nx\r\nget g1\r\n"),
          say("c1 P>client", "SERVER_ERROR proxy failure\r\nSERVER_ERROR proxy failure\r\n"),
        ],
      },
      "index-restart/index": {
        reason: "an index server that starts does not know whether the nodes have its map: they get it after their next answer",
        extra: ["A node sync 7|NODE 127.0.0.1 22261 0 0 0 1 16|END"],
      },
      "index-lost-state-role/index": {
        reason: "a node that did not take the newest map gets it again after each answer",
        extra: ["A node sync 2|NODE 127.0.0.1 22261 0 0 0 1 16|END"],
      },
    },
  },
  {
    first: "sigterm-master-without-slave",
    last: "replace-down-master",
    map: "7: A 0 0 0 1 16, B 0 0 1 1 17, E 2 0 -1 0 18",
    preludes: {
      "sigterm-master-without-slave": { stop: ["B"] },
      "replace-down-master": { kill: ["B"], without: ["B"] },
    },
    deviations: {
      "sigterm-master-without-slave/B": {
        reason: "a node that has said that it stops takes no further commands",
        messages: [say("c1 B>index", "shutdown 127.0.0.1 22282\r\n"), say("c1 index>B", "OK\r\n")],
      },
    },
  },
  {
    first: "replication-type-sync",
    last: "replication-sync-slave-hung",
    map: "6: A 0 0 0 1 16, B 1 0 0 1 17, W 2 0 -1 0 18",
    load: { B: "set q3 0 0 1 10\r\nz\r\n" },
    options: { A: { replicationType: "sync" } },
    preludes: {
      "replication-type-sync": { waits: true },
      "replication-refused-by-slave": { waits: true },
      "replication-sync-slave-hung": { hang: ["B"], without: ["B"] },
    },
    deviations: {
      "replication-sync-slave-hung/A": {
        reason: "a slave that is down is not waited for any longer",
        messages: [
          say("c1 client>A", "set q4 0 0 1\r\nx\r\n"),
          say("c2 A>B", "<127.0.0.1:22281>set q4 0 0 1 1\r\nx\r\n"),
          say("c5 index>A", HUNG),
          say("c5 A>index", "OK\r\n"),
          say("c1 A>client", "STORED\r\n"),
        ],
      },
    },
  },
  {
    first: "noreply-window",
    last: "noreply-window",
    map: "5: A 0 0 0 1 16, B 1 0 0 1 17",
    options: { A: { noreplyWindowLimit: 3 } },
  },
  {
    first: "replicate-two-slaves-async",
    last: "graceful-restart-of-old-master",
    map: "11: A 0 0 0 2 16, B 1 0 0 1 17, D 1 0 0 3 18, P 2 0 -1 0 19",
    preludes: {
      "replicate-two-slaves-sync": { waits: true },
      "proxy-read-balance": { draws: { A: 0, B: 2, D: 3 } },
      "proxy-connection-choice": { lanes: true },
      "graceful-restart-of-old-master": {
        map: "12: A 2 2 -1 0 16, B 1 0 0 1 17, D 0 0 0 3 18, P 2 0 -1 0 19",
        say: ["shutdown 127.0.0.1 22261"],
      },
    },
    deviations: {
      "graceful-restart-of-old-master/index": {
        reason: JOINED_AGAIN,
        extra: [
          "A node sync 13|NODE 127.0.0.1 22261 2 2 -1 0 16|NODE 127.0.0.1 22262 1 0 0 1 17|NODE 127.0.0.1 22263 0 0 0 3 18|" +
            "NODE 127.0.0.1 22264 2 0 -1 0 19|END",
        ],
      },
    },
  },
  {
    first: "replicate-to-preparing-slave",
    last: "dump-busy",
    map: "3: A 0 0 0 1 16, B 2 0 -1 0 17, D 2 0 -1 0 18",
    maps: { index: "5: A 0 0 0 1 16, B 1 1 0 0 17, D 2 0 -1 0 18" },
    load: { A: [1, 2, 3, 4, 5].map((number) => `set k${number} 0 0 1\r\nx\r\n`).join("") },
    preludes: {
      "replicate-to-preparing-slave": {
        map: "5: A 0 0 0 1 16, B 1 1 0 0 17, D 2 0 -1 0 18",
        dumped: { B: [1, 2, 3].map((number) => `VALUE k${number} 0 1 1 0\r\nx\r\n`).join("") },
      },
      "dump-busy": { command: "node role 127.0.0.1 22403 slave 1 0" },
    },
    deviations: {
      "replicate-to-preparing-slave/A": {
        reason: "the dump that is under way began before the recording and goes by other slices",
        messages: [
          say("c1 client>A", "set k1 0 0 2\r\nyy\r\ndelete k2\r\n"),
          say("c1 A>client", "STORED\r\nDELETED\r\n"),
          say("c3 A>B", "<127.0.0.1:22401>set k1 0 0 2 2\r\nyy\r\n"),
          say("c2 A>B", "<127.0.0.1:22401>delete k2 0 1\r\n"),
          say("c2 B>A", "DELETED\r\n"),
          say("c3 B>A", "STORED\r\n"),
        ],
      },
      "dump-busy/A": {
        reason: "several dumps are served at once",
        messages: [
          say("c3 index>A", copying(6, "1 1 0 0")),
          say("c5 D>A", "connect"),
          say("c5 D>A", "dump 0 0 1\r\n"),
          say(
            "c5 A>D",
            "VALUE k1 0 2 2 0\r\nyy\r\nVALUE k3 0 1 1 0\r\nx\r\nVALUE k4 0 1 1 0\r\nx\r\nVALUE k5 0 1 1 0\r\nx\r\nEND\r\n",
          ),
          say("c3 A>index", "OK\r\n"),
          say("c3 index>A", copying(7, "2 0 -1 0")),
          say("c3 A>index", "OK\r\n"),
        ],
      },
      "dump-busy/D": {
        reason: "a refused copy is restarted twice",
        messages: [
          say("c2 index>D", copying(6, "1 1 0 0")),
          say("c2 D>index", "OK\r\n"),
          ...[5, 7, 8].flatMap((conn) => [
            say(`c${conn} D>A`, "dump 0 0 1\r\n"),
            say(`c${conn} A>D`, "SERVER_ERROR database busy\r\n"),
          ]),
          say("c6 D>index", "node role 127.0.0.1 22403 proxy 0 -1\r\n"),
          say("c2 index>D", copying(7, "2 0 -1 0")),
          say("c6 index>D", "OK\r\n"),
          say("c2 D>index", "OK\r\n"),
        ],
      },
    },
  },
  {
    first: "cluster-replication-initial-dump",
    last: "cluster-replication-initial-dump",
    map: "3: A 0 0 0 1 16",
    maps: { "dst-master": "3: dst-master 0 0 0 1 16" },
    load: { A: "set d1 2 0 2\r\nzz\r\nset d2 2 0 2\r\nyy\r\nset d2 2 4000000000 2\r\nyy\r\n" },
    preludes: { "cluster-replication-initial-dump": { reload: { A: otherCluster(22361, "duplicate") } } },
  },
  {
    first: "cluster-replication-duplicate-start",
    last: "cluster-replication-forward-touch",
    map: "3: A 0 2 0 1 16",
    maps: {
      "dst-master": "5: dst-master 0 0 0 1 16, dst-slave 1 0 0 1 17",
      "dst-slave": "5: dst-master 0 0 0 1 16, dst-slave 1 0 0 1 17",
    },
    load: { A: "set cr0 0 0 1\r\ny\r\nset cr0 2 4000000000 2\r\nyy\r\n" },
    preludes: {
      "cluster-replication-duplicate-start": {
        options: { A: otherCluster(22321, "duplicate") },
        kill: ["A"],
        revive: ["A"],
      },
      "cluster-replication-forward-get": { reload: { A: otherCluster(22321, "forward") } },
      "cluster-replication-forward-touch": { second: 1795355490 },
    },
    deviations: {
      "cluster-replication-duplicate-start/index": {
        reason: JOINED_AGAIN,
        extra: ["A node sync 4|NODE 127.0.0.1 22341 0 2 0 1 16|END"],
      },
      "cluster-replication-duplicate-set-noreply/A": {
        reason: "another cluster is always asked for an answer: only what it answers is known to have arrived",
        messages: [
          say("c1 client>A", "set cr4 0 0 1 noreply\r\nx\r\n"),
          say("c2 A>dst-master", "set cr4 0 0 1 1\r\nx\r\n"),
          say("c2 dst-master>A", "STORED\r\n"),
        ],
      },
      "cluster-replication-forward-set-noreply/A": {
        reason: NOREPLY_ANSWERED,
        messages: [
          say("c1 client>A", "set cr7 7 0 2 noreply\r\nhi\r\n"),
          say("c2 A>dst-master", "set cr7 7 0 2\r\nhi\r\n"),
          say("c2 dst-master>A", "STORED\r\n"),
        ],
      },
      "cluster-replication-forward-incr/A": {
        reason: "the delta is passed on",
        messages: [
          say("c1 client>A", "incr cr3 4\r\n"),
          say("c2 A>dst-master", "incr cr3 4\r\n"),
          say("c2 dst-master>A", "9\r\n"),
          say("c1 A>client", "9\r\n"),
        ],
      },
      "cluster-replication-forward-decr/A": {
        reason: "the delta is passed on",
        messages: [
          say("c1 client>A", "decr cr3 1\r\n"),
          say("c2 A>dst-master", "decr cr3 1\r\n"),
          say("c2 dst-master>A", "8\r\n"),
          say("c1 A>client", "8\r\n"),
        ],
      },
    },
  },
  {
    first: "fake-flared-join",
    last: "fake-flared-ping-error",
    map: "0:",
    preludes: {
      "fake-flared-role": { command: "node role 127.0.0.1 22421 master 1 0" },
      "fake-flared-ok-lf": { command: "node role 127.0.0.1 22421 master 2 0" },
      "fake-flared-sync-error": { command: "node role 127.0.0.1 22421 master 2 0" },
      "fake-flared-ping-error": { command: "node role 127.0.0.1 22421 master 2 0" },
    },
    deviations: {
      "fake-flared-join": {
        reason: "a node that has just joined gets the map once more after its first answer",
        extra: ["fake-flared node sync 1|NODE 127.0.0.1 22421 2 0 -1 0 16|END"],
      },
      "fake-flared-sync-error": {
        reason: "a node that did not take the newest map gets it again after each answer",
        extra: ["fake-flared node sync 4|NODE 127.0.0.1 22421 0 0 0 2 16|END"],
      },
    },
  },
  joins("fake-index-plain", false),
  joins("fake-index-extra-fields", false),
  joins("fake-index-meta-error", true),
  joins("fake-index-add-error", true),
  joins("fake-index-empty-add", false),
  joins("fake-index-bad-hash", true),
  { first: "node-sync-reply-11", last: "node-sync-reply-18", map: "0:", roles: ["node"] },
  joins("fake-index-already-master", false),
  {
    first: "hazard-proxy-retry",
    last: "hazard-proxy-retry",
    map: "3: fake-master 0 0 0 1 16, P 2 0 -1 0 17",
    deviations: {
      "hazard-proxy-retry": {
        reason: "what may have been executed is not sent again",
        messages: [
          say("c1 client>P", "incr k 1\r\n"),
          say("c2 P>fake-master", "<127.0.0.1:22562>incr k 1\r\n"),
          say("c2 fake-master>P", "close"),
          say("c1 P>client", "SERVER_ERROR proxy error\r\n"),
        ],
      },
    },
  },
  {
    first: "hazard-proxy-reply-desync",
    last: "hazard-proxy-reply-desync",
    map: "3: fake-master 0 0 0 1 16, P 2 0 -1 0 17",
    deviations: {
      "hazard-proxy-reply-desync": {
        reason: "a node that is there may take its time, and its replies never shift onto other requests",
        messages: [
          say("c1 client>P", "set k 0 0 1\r\nx\r\n"),
          say("c2 P>fake-master", "<127.0.0.1:22567>set k 0 0 1\r\nx\r\n"),
          say("c2 fake-master>P", "pass 1600"),
          say("c2 fake-master>P", "STORED\r\n"),
          say("c1 P>client", "STORED\r\n"),
          say("c3 client>P", "delete nosuch\r\n"),
          say("c2 P>fake-master", "<127.0.0.1:22567>delete nosuch 0\r\n"),
          say("c2 fake-master>P", "NOT_FOUND\r\n"),
          say("c3 P>client", "NOT_FOUND\r\n"),
        ],
      },
    },
  },
  {
    first: "hazard-contradicting-maps",
    last: "hazard-contradicting-maps",
    map: "3:",
    maps: { A: "3: A 2 0 -1 0 16, B 0 0 0 1 17", B: "3: A 0 0 0 1 16, B 2 0 -1 0 17" },
    options: { A: { netReadTimeoutMs: 4000 }, B: { netReadTimeoutMs: 4000 } },
    deviations: {
      "hazard-contradicting-maps/A": {
        reason: "a write that has been here before is refused at once instead of going round",
        messages: [
          say("c1 client>A", "set k 0 0 1\r\nx\r\n"),
          say("c2 A>B", "<127.0.0.1:22591>set k 0 0 1\r\nx\r\n"),
          say("c3 B>A", "<127.0.0.1:22591,127.0.0.1:22592>set k 0 0 1\r\nx\r\n"),
          say("c3 A>B", "SERVER_ERROR proxy failure\r\n"),
          say("c2 B>A", "SERVER_ERROR proxy failure\r\n"),
          say("c1 A>client", "SERVER_ERROR proxy failure\r\n"),
        ],
      },
    },
  },
];
