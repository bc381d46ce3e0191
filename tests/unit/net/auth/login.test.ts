/**
 * A session before its login: its answers however its bytes are cut, and how little is kept for it.
 *
 * Covers lib/net/connection/admission.ts and lib/net/connection/guarded_handler.ts.
 */

import { beforeEach, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Access, LOGIN_FAILURES_MAX } from "../../../../lib/net/auth/access.ts";
import type { AccessOptions } from "../../../../lib/net/auth/access_options.ts";
import { LOGIN_BYTES_MAX } from "../../../../lib/net/auth/login.ts";
import { Session, type SessionHost } from "../../../../lib/net/connection/session.ts";
import type { ListenerTraits, RequestHandler } from "../../../../lib/net/connection/session_host.ts";
import { BufferPool } from "../../../../lib/protocol/buffer_pool.ts";
import { Command, CommandTable } from "../../../../lib/protocol/command.ts";
import type { Request } from "../../../../lib/protocol/request.ts";
import type { TextReply } from "../../../../lib/protocol/text/text_reply.ts";
import type { Runtime } from "../../../../lib/runtime/runtime.ts";
import { loginOf, USERS } from "../../../support/access_world.ts";
import { packet } from "../../../support/binary_packets.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";

const OPTIONS: AccessOptions = {
  authFile: "/users",
  authExempt: "",
  authTimeoutMs: 1000,
  clusterUser: "",
  adminAccess: "user:boss",
  adminAddress: "",
  requestTimeoutMs: 1000,
};
const ALICE = loginOf("alice", "secret");
const WRONG = loginOf("alice", "wrong");
const FAILURE = "CLIENT_ERROR authentication failure\r\n";
const UNKNOWN = "CLIENT_ERROR unauthenticated\r\n";

/** Answers every command with its name; flush_all is not for everybody. */
class NamingHandler implements RequestHandler {
  readonly commands = new CommandTable(["get", "set", "flush_all", "version", "quit"]);
  readonly speaksBinary = true;

  isPrivileged(request: Request): boolean {
    return request.command === Command.flush_all;
  }

  handle(request: Request, reply: TextReply): void {
    reply.line(String(request.command));
  }
}

/** Time that a test advances. */
class Timers {
  nowMs = 0;
  #timers: { readonly dueMs: number; readonly callback: () => void }[] = [];

  setTimer(callback: () => void, delayMs: number): object {
    const timer = { dueMs: this.nowMs + delayMs, callback };
    this.#timers.push(timer);
    return timer;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { callback } of due) callback();
  }
}

describe("a session with a client that is not known", () => {
  let timers: Timers;
  let access: Access;
  let log: string[];

  beforeEach(async () => {
    timers = new Timers();
    log = [];
    const files = new MemoryFiles();
    files.write("/users", fromLatin1(USERS));
    const clock = { monotonicMs: () => timers.nowMs, setTimer: timers.setTimer.bind(timers) };
    const runtime = { clock, files, log: { write: (_: string, line: string) => void log.push(line) } };
    access = await Access.open(runtime as unknown as Runtime, OPTIONS);
  });

  function open(traits?: ListenerTraits): { session: Session; connection: FakeConnection; host: SessionHost } {
    const connection = new FakeConnection();
    const host: SessionHost = {
      handler: new NamingHandler(),
      access,
      limits: { lineBytesMax: 1 << 20, keyBytesMax: 250, valueBytesMax: 1 << 20, outputHighWaterBytes: 1 << 20 },
      requestMemory: { usedBytes: 0, bytesMax: 1 << 30 },
      buffers: new BufferPool(),
      traffic: { bytesRead: 0, bytesWritten: 0, tooLarge: 0, noMemory: 0 },
      monotonicMs: () => timers.nowMs,
      opened: () => undefined,
      closed: () => undefined,
      settleSoon: (session) => session.settle(),
      refusedHttp: () => undefined,
      unexpected: (error) => assert(false, String(error)),
    };
    const session = new Session(1, connection, host, "", traits);
    session.onOpen();
    return { session, connection, host };
  }

  function send(session: Session, text: string): void {
    session.onData(fromLatin1(text));
  }

  it("hears the same wherever its bytes are cut", () => {
    const plain = packet({ opcode: 0x21, key: "PLAIN", value: "\0boss\0chief" });
    const conversation = `get a\r\n${loginOf("x", "y z")}${ALICE}get a\r\nflush_all\r\n${plain}flush_all\r\nget a\r\n`;
    const answers = new Set<string>();
    for (let cut = 0; cut <= conversation.length; cut++) {
      const { session, connection } = open();
      send(session, conversation.slice(0, cut));
      if (cut > 0) send(session, conversation.slice(cut));
      timers.pass(access.failureDelayMs);
      if (cut === 0) for (const letter of conversation) send(session, letter);
      timers.pass(access.failureDelayMs);
      answers.add(connection.text);
    }
    assertEquals(answers.size, 1);
    const [text = ""] = answers;
    assert(text.startsWith(`${UNKNOWN}${FAILURE}STORED\r\n0\r\nCLIENT_ERROR flush_all not allowed\r\n\x81\x21`), text);
    assert(text.endsWith(`Authenticated${Command.flush_all}\r\n0\r\n`), text);
  });

  it("hears the same wherever nonsense is cut, and nothing is executed before it is known", () => {
    const plain = (value: string, opcode = 0x21): string => packet({ opcode, key: "PLAIN", value });
    const known = [ALICE, plain("\0boss\0chief")];
    const unknown = [
      WRONG,
      "get a\r\n",
      "set x 0 0 12\r\n",
      "alice secre",
      "\r\n",
      "\0",
      " ",
      "set x 0 0 3\nab",
      "version\r\n",
    ];
    unknown.push(plain("\0boss\0wrong"), plain(""), plain("\0", 0x22), plain("x").slice(0, 20), packet({ opcode: 0x20 }));
    const pieces = fc.array(fc.oneof(fc.constantFrom(...unknown), fc.constantFrom(...known)), { maxLength: 12 });
    const said = (text: string, cuts: readonly number[]): string => {
      const { session, connection } = open();
      let at = 0;
      for (const cut of [...cuts, text.length]) {
        if (cut <= at && cut < text.length) continue;
        if (cut > at && !connection.closed) send(session, text.slice(at, cut));
        at = Math.max(at, cut);
      }
      for (let wait = 0; wait <= LOGIN_FAILURES_MAX; wait++) timers.pass(access.failureDelayMs);
      return connection.text;
    };
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(400), { maxLength: 8 }), (words, cuts) => {
        const text = words.join("");
        const whole = said(text, []);
        const inOrder = cuts.filter((cut) => cut < text.length).sort((left, right) => left - right);
        assertEquals(said(text, inOrder), whole);
        if (!/STORED|Authenticated/.test(whole)) assert(!/(?:^|\n)\d+\r\n/.test(whole), whole);
      }),
      { numRuns: 500 },
    );
  });

  it("waits for the answer to a wrong password, and so does what it has said behind it", () => {
    const { session, connection } = open();
    send(session, `${WRONG}${ALICE}get a\r\n`);
    timers.pass(access.failureDelayMs - 1);
    session.onDrain();
    assertEquals(connection.text, "");
    assert(connection.paused);
    timers.pass(1);
    assertEquals(connection.text, `${FAILURE}STORED\r\n0\r\n`);
    assert(!connection.paused);
  });

  it("hears that answer also when it has said its last word, and was slow to read before", () => {
    const { session, connection } = open();
    send(session, WRONG);
    session.onDrain();
    session.onEnd();
    assertEquals([connection.paused, connection.closed], [true, false]);
    timers.pass(access.failureDelayMs);
    assertEquals([connection.text, connection.closed], [FAILURE, true]);
  });

  it("is left after too many of them", () => {
    const { session, connection } = open();
    for (let attempt = 0; attempt < LOGIN_FAILURES_MAX; attempt++) {
      assert(!connection.closed);
      send(session, WRONG);
      timers.pass(access.failureDelayMs);
    }
    assertEquals(connection.text, FAILURE.repeat(LOGIN_FAILURES_MAX));
    assert(connection.closed);
    assertEquals([access.attempts, access.failures], [LOGIN_FAILURES_MAX, LOGIN_FAILURES_MAX]);
  });

  it("hears nothing any more when it leaves meanwhile", () => {
    const { session, connection, host } = open();
    send(session, `${WRONG}get a`);
    session.onClose();
    timers.pass(access.failureDelayMs);
    assertEquals(connection.text, "");
    assertEquals(host.requestMemory.usedBytes, 0);
  });

  it("is kept no more than two kilobytes for", () => {
    const endless = ["x".repeat(1 << 20), `set x 0 0 2000\r\n${"x".repeat(1 << 20)}`, `${WRONG}${"x".repeat(1 << 20)}`];
    const sasl = packet({ opcode: 0x21, key: "PLAIN", value: "x".repeat(1 << 20) });
    for (const text of [...endless, sasl]) {
      for (const step of [100, 1000, 65536]) {
        const { session, connection, host } = open();
        for (let at = 0; at < text.length && !connection.closed; at += step) {
          send(session, text.slice(at, at + step));
          assert(host.requestMemory.usedBytes <= 2 * LOGIN_BYTES_MAX, `${host.requestMemory.usedBytes} bytes are held`);
        }
        assert(connection.closed || text.startsWith("set x"), text.slice(0, 20));
      }
    }
  });

  it("hears one answer to a write that is refused, whose value is no attempt to log in", () => {
    const value = `${WRONG}${ALICE}flush_all\r\n`;
    for (const head of [`add k 0 0 ${value.length}`, `cas k 0 0 ${value.length} 1`, `ms k ${value.length} q`]) {
      const { session, connection } = open();
      send(session, `${head}\r\n${value}\r\nget a\r\n`);
      assertEquals(connection.text, UNKNOWN + UNKNOWN, head);
      assert(!connection.closed && session.isUnknown);
    }
    const { session, connection } = open();
    send(session, "append k 0 0 20000\r\n");
    assertEquals(connection.text, "");
    assert(connection.closed);
    assertEquals(access.attempts, 0);
  });

  it("is logged without its password", () => {
    const { session } = open();
    send(session, WRONG);
    assertEquals(log, ['login as "alice" from "127.0.0.1:50000" failed']);
  });

  it("may do everything where operators enter, once it is known", () => {
    const { session, connection } = open({ admin: true });
    send(session, `flush_all\r\n${ALICE}flush_all\r\n`);
    assertEquals(connection.text, `${UNKNOWN}STORED\r\n${Command.flush_all}\r\n`);
  });

  it("is known once there are no users any more", async () => {
    const { session, connection } = open();
    send(session, "get a\r\n");
    await access.reload({ ...OPTIONS, authFile: "", adminAccess: "any" });
    session.admit();
    send(session, "get a\r\nflush_all\r\n");
    assertEquals(connection.text, `${UNKNOWN}0\r\n${Command.flush_all}\r\n`);
  });
});
