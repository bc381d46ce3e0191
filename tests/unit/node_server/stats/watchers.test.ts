/**
 * `watch` on a real node without sockets in between: each kind gets its events in memcached's format and no others, and
 * nothing is put together while nobody watches.
 *
 * Covers lib/node_server/life/memory_limit.ts, lib/node_server/stats/counters.ts and lib/node_server/stats/item_sizes.ts.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Opcode } from "../../../../lib/protocol/binary/binary_protocol.ts";
import { packet } from "../../../support/binary_packets.ts";
import { DirectNode, type DirectSession } from "../../../support/direct_node.ts";

describe("watch", () => {
  let node: DirectNode;

  before(async () => {
    node = await DirectNode.start();
  });

  after(async () => {
    await node.stop();
  });

  function open(line: string): DirectSession {
    return node.open(fromLatin1(line));
  }

  function say(text: string): string {
    return node.ask(fromLatin1(text));
  }

  async function until(done: () => boolean): Promise<void> {
    const endMs = performance.now() + 5000;
    while (!done() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 2));
    assert(done());
  }

  /** What a watcher has heard once `last` has come, without times, numbers of lines and of connections. */
  async function heard({ connection, session }: DirectSession, last: string): Promise<string[]> {
    await until(() => connection.text.includes(last));
    session.onClose();
    const lines = connection.text.split("\n");
    assertEquals([lines.shift(), lines.pop()], ["OK\r", ""]);
    let gid = 0;
    return lines.map((line) => {
      const [, id, text] = /^ts=\d+\.\d{6} gid=(\d+) (.*)$/.exec(line) ?? [];
      assert(text !== undefined && Number(id) > gid, line);
      gid = Number(id);
      return text.replace(/\bcfd=[1-9]\d*/, "cfd=N").replace(/^<[1-9]\d* /, "<N ");
    });
  }

  it("is refused with any word it does not know, and without one tells fetches", async () => {
    for (const word of ["proxyreqs", "proxyevents", "proxyuser", "constructor", "fetchers nothing"]) {
      assertEquals(say(`watch ${word}\r\n`), "ERROR\r\n");
    }
    const watcher = open("watch\r\n");
    say("set w 0 0 2\r\nab\r\nget w a%20\xff\r\nmg w v\r\n");
    assertEquals(await heard(watcher, "size=2\nts"), [
      "type=item_get key=w status=found clsid=1 cfd=N size=2",
      "type=item_get key=a%2520%FF status=not_found clsid=0 cfd=N size=0",
      "type=item_get key=w status=found clsid=1 cfd=N size=2",
    ]);
  });

  it("mutations", async () => {
    const watcher = open("watch mutations\r\n");
    say("set m 0 100 2\r\nab\r\nadd m 0 0 1\r\nx\r\ncas m 0 0 1 99\r\nx\r\ncas absent 0 0 3 1\r\nxyz\r\n");
    say("append m 0 0 1\r\nc\r\nms m 4\r\nabcd\r\nget m\r\ndelete m\r\nset last 0 0 0\r\n\r\n");
    assertEquals(await heard(watcher, "key=last"), [
      "type=item_store key=m status=stored cmd=set ttl=100 clsid=1 cfd=N size=2",
      "type=item_store key=m status=not_stored cmd=add ttl=0 clsid=1 cfd=N size=1",
      "type=item_store key=m status=exists cmd=cas ttl=0 clsid=1 cfd=N size=1",
      "type=item_store key=absent status=not_found cmd=cas ttl=0 clsid=1 cfd=N size=3",
      "type=item_store key=m status=stored cmd=append ttl=0 clsid=1 cfd=N size=3",
      "type=item_store key=m status=stored cmd=set ttl=0 clsid=1 cfd=N size=4",
      "type=item_store key=last status=stored cmd=set ttl=0 clsid=1 cfd=N size=0",
    ]);
  });

  it("deletions, with what was there", async () => {
    const watcher = open("watch deletions\r\n");
    say("set d 0 0 4\r\nvbar\r\ndelete d\r\ndelete d\r\nset d 0 0 5\r\nhello\r\nmd d\r\nset last 0 0 0\r\n\r\ndelete last\r\n");
    assertEquals(await heard(watcher, "key=last"), [
      "type=deleted key=d cmd=delete clsid=1 size=4",
      "type=deleted key=d cmd=md clsid=1 size=5",
      "type=deleted key=last cmd=delete clsid=1 size=0",
    ]);
  });

  it("raw commands: the lines as they came, refused ones too, but no data and nothing binary", async () => {
    const watcher = open("watch rawcmds\r\n");
    say(`set r 0 0 3\r\nabc\r\nnonsense \x01\n${packet({ opcode: Opcode.get, key: "r" })}get ${"k".repeat(600)}\r\n`);
    assertEquals(await heard(watcher, "get kkk"), ["<N set r 0 0 3", "<N nonsense %01", `<N get ${"k".repeat(496)}`]);
  });

  it("a request that has to wait is reported once", async () => {
    const watcher = open("watch rawcmds\r\n");
    const { session } = open(
      "stats sizes_enable\r\nset x 0 0 1\r\nx\r\nstats sizes\r\nset x 0 0 1\r\ny\r\nget x\r\nversion\r\n",
    );
    await heard(watcher, "version").then((lines) =>
      assertEquals(lines, [
        "<N stats sizes_enable",
        "<N set x 0 0 1",
        "<N stats sizes",
        "<N set x 0 0 1",
        "<N get x",
        "<N version",
      ]),
    );
    session.onClose();
  });

  it("connections, and why they end", async () => {
    const watcher = open("watch connevents\r\n");
    const first = open("");
    first.session.onClose();
    const second = open("");
    second.session.onClose(new Error("reset"));
    assertEquals(await heard(watcher, "reason=error"), [
      "type=conn_new rip=127.0.0.1 rport=50000 transport=tcp cfd=N",
      "type=conn_close rip=127.0.0.1 rport=50000 transport=tcp reason=normal cfd=N",
      "type=conn_new rip=127.0.0.1 rport=50000 transport=tcp cfd=N",
      "type=conn_close rip=127.0.0.1 rport=50000 transport=tcp reason=error cfd=N",
    ]);
  });

  it("the node's own doings", async () => {
    const watcher = open("watch sysevents\r\n");
    say("flush_all\r\ncache_memlimit 16\r\n");
    assertEquals(await heard(watcher, "memory_limit"), ["type=flush_all", "type=memory_limit bytes=16777216"]);
  });

  it("items that leave the memory, which stay stored", async () => {
    say("cache_memlimit 8\r\n");
    const watcher = open("watch evictions\r\n");
    const value = "e".repeat(100000);
    for (let i = 0; !watcher.connection.text.includes("key=e2 ") && i < 1000; i++) {
      const { connection, session } = open(
        `set e${i} 0 ${i === 1 ? 500 : 0} ${value.length}\r\n${value}\r\n${i === 0 ? "get e0\r\n" : ""}`,
      );
      await until(() => connection.text.includes("STORED\r\n"));
      session.onClose();
    }
    const lines = await heard(watcher, "key=e2 ");
    const told = (key: string): string => lines.find((line) => line.includes(`key=${key} `)) ?? "";
    assertMatch(told("e1"), /^type=eviction key=e1 fetch=no ttl=(?:500|4\d\d) la=\d+ clsid=1 size=100000$/);
    assertMatch(told("e2"), /^type=eviction key=e2 fetch=no ttl=-1 la=\d+ clsid=1 size=100000$/);
    const reader = open("get e1 e2\r\n");
    await until(() => reader.connection.text.endsWith("END\r\n"));
    assert(reader.connection.text.includes("VALUE e1 0 100000") && reader.connection.text.includes("VALUE e2 0 100000"));
    reader.session.onClose();
  });

  it("all kinds at once, and the counts of it in stats", async () => {
    say("stats reset\r\n");
    const watcher = open("watch fetchers mutations evictions connevents rawcmds sysevents deletions\r\n");
    say("get nothing\r\n");
    const lines = await heard(watcher, "conn_close");
    assertEquals(lines, [
      "type=conn_new rip=127.0.0.1 rport=50000 transport=tcp cfd=N",
      "<N get nothing",
      "type=item_get key=nothing status=not_found clsid=0 cfd=N size=0",
      "type=conn_close rip=127.0.0.1 rport=50000 transport=tcp reason=normal cfd=N",
    ]);
    const stats = say("stats\r\n");
    for (const line of ["log_watcher_sent 4", "log_watcher_skipped 0", "log_worker_dropped 0"]) {
      assert(stats.includes(`STAT ${line}\r\n`), stats);
    }
  });

  it("costs nothing when the last watcher has gone", async () => {
    const watcher = open("watch fetchers connevents rawcmds\r\n");
    const before = watcher.connection.text;
    watcher.session.onClose();
    say("get w\r\n");
    say("get w\r\n");
    await until(() => say("stats\r\n").includes("STAT log_watchers 0\r\n"));
    assertEquals(watcher.connection.text, before);
    const written = /log_worker_written (\d+)/.exec(say("stats\r\n"))?.[1];
    say("get w\r\n");
    assertEquals(/log_worker_written (\d+)/.exec(say("stats\r\n"))?.[1], written);
  });

  it("ends when the watcher closes its side, whatever it has sent meanwhile", async () => {
    for (const more of ["", "get w\r\n", "\x80 nonsense"]) {
      const { connection, session } = open(`watch fetchers\r\n${more}`);
      session.onData(fromLatin1("get w\r\n"));
      assertEquals([connection.paused, connection.closed], [false, false]);
      session.onEnd();
      await until(() => connection.closed);
      assertEquals([connection.text, connection.closed], ["OK\r\n", true]);
      assert(say("stats\r\n").includes("STAT log_watchers 0\r\n"));
      session.onClose();
    }
  });

  it("more than twenty watchers are refused, until one has left", () => {
    const watchers = Array.from({ length: 21 }, () => open("watch fetchers\r\n"));
    assertEquals(watchers[19]?.connection.text, "OK\r\n");
    assertEquals(watchers[20]?.connection.text, "WATCHER_TOO_MANY log watcher limit reached\r\n");
    for (const { session } of watchers) session.onClose();
    assertEquals(say("watch\r\n"), "OK\r\n");
  });
});
