/**
 * ZooKeeper's packets, as recorded between Debian's ZooKeeper 3.8 and its own client for Java: ours are the same byte for byte.
 * Transactions, which that program cannot send, are recorded with our client.
 *
 * Covers lib/index_server/zookeeper/requests.ts, lib/index_server/zookeeper/session_packets.ts and
 * lib/index_server/zookeeper/codes.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import {
  answerOf,
  cutPacket,
  decodeReply,
  decodeWatch,
  encodeRequest,
  packetBytes,
} from "../../../../lib/index_server/zookeeper/packets.ts";
import {
  ANYBODY,
  CREATOR,
  closeSession,
  create,
  exists,
  getChildren,
  getData,
  Kind,
  type Request,
  remove,
  setData,
  sync,
  transaction,
} from "../../../../lib/index_server/zookeeper/requests.ts";
import {
  decodeSessionGrant,
  encodeLogin,
  encodeSessionRequest,
  NO_SESSION,
} from "../../../../lib/index_server/zookeeper/session_packets.ts";

const STAT_OF_A = { created: 5n, modified: 7n, version: 1, owner: 0n };
const ok = (value: unknown) => ({ ok: true, value });

/** A request with its number, what was sent, what came back, and the answer. */
const RECORDED: readonly (readonly [xid: number, Request<unknown>, sent: string, reply: string, answer: unknown])[] = [
  [
    2,
    create("/flare/a", fromLatin1("one"), ANYBODY),
    "0000003a0000000200000001000000082f666c6172652f61000000036f6e65000000010000001f00000005776f726c6400000006616e796f" +
      "6e6500000000",
    "0000001c00000002000000000000000500000000000000082f666c6172652f61",
    ok("/flare/a"),
  ],
  [
    3,
    create("/flare/l-", fromLatin1("x"), ANYBODY, Kind.ephemeralSequential),
    "000000390000000300000001000000092f666c6172652f6c2d0000000178000000010000001f00000005776f726c640000000661" +
      "6e796f6e6500000003",
    "0000002700000003000000000000000600000000000000132f666c6172652f6c2d30303030303030303031",
    ok("/flare/l-0000000001"),
  ],
  [
    4,
    setData("/flare/a", fromLatin1("two"), 0),
    "0000001f0000000400000005000000082f666c6172652f610000000374776f00000000",
    "000000540000000400000000000000070000000000000000000000050000000000000007000001a21f1d8c32000001a21f1d91ae" +
      "000000010000000000000000000000000000000000000003000000000000000000000005",
    ok(STAT_OF_A),
  ],
  [
    5,
    setData("/flare/a", fromLatin1("two"), 7),
    "0000001f0000000500000005000000082f666c6172652f610000000374776f00000007",
    "00000010000000050000000000000008ffffff99",
    { ok: false, refusal: "other version", path: "/flare/a" },
  ],
  [
    6,
    getData("/flare/a"),
    "000000150000000600000004000000082f666c6172652f6100",
    "0000005b000000060000000000000008000000000000000374776f00000000000000050000000000000007000001a21f1d8c32" +
      "000001a21f1d91ae000000010000000000000000000000000000000000000003000000000000000000000005",
    ok({ data: fromLatin1("two"), stat: STAT_OF_A }),
  ],
  [
    7,
    exists("/flare/a", true),
    "000000150000000700000003000000082f666c6172652f6101",
    "000000540000000700000000000000080000000000000000000000050000000000000007000001a21f1d8c32000001a21f1d91ae" +
      "000000010000000000000000000000000000000000000003000000000000000000000005",
    ok(STAT_OF_A),
  ],
  [
    9,
    sync("/flare"),
    "000000120000000900000009000000062f666c617265",
    "0000001a00000009000000000000000800000000000000062f666c617265",
    ok(undefined),
  ],
  [
    10,
    remove("/flare/a"),
    "000000180000000a00000002000000082f666c6172652f61ffffffff",
    "000000100000000a000000000000000900000000",
    ok(undefined),
  ],
  [
    11,
    remove("/flare/none"),
    "0000001b0000000b000000020000000b2f666c6172652f6e6f6e65ffffffff",
    "000000100000000b000000000000000affffff9b",
    { ok: false, refusal: "no node", path: "/flare/none" },
  ],
];

const ONE = setData("/a", fromLatin1("1"), 0);
const TWO = setData("/a", fromLatin1("2"), 0);
const TRANSACTIONS: typeof RECORDED = [
  [
    1,
    transaction(
      [create("/a", EMPTY_BYTES, ANYBODY), create("/l", EMPTY_BYTES, ANYBODY, Kind.ephemeral), ONE, remove("/l")],
      ONE,
    ),
    "000000a0000000010000000e0000000100ffffffff000000022f6100000000000000010000001f00000005776f726c6400000006616e796f6e65" +
      "000000000000000100ffffffff000000022f6c00000000000000010000001f00000005776f726c6400000006616e796f6e65000000010000000500" +
      "ffffffff000000022f610000000131000000000000000200ffffffff000000022f6cffffffffffffffff01ffffffff",
    "0000008d00000001000000000000000400000000000000010000000000000000022f61000000010000000000000000022f6c0000000500000000" +
      "0000000000000000040000000000000004000001a21f1e9433000001a21f1e943300000001000000000000000000000000000000000000000100" +
      "0000000000000000000004000000020000000000ffffffff01ffffffff",
    ok({ created: 4n, modified: 4n, version: 1, owner: 0n }),
  ],
  [
    2,
    transaction([create("/l", EMPTY_BYTES, ANYBODY, Kind.ephemeral), TWO, remove("/l")], TWO),
    "0000006e000000020000000e0000000100ffffffff000000022f6c00000000000000010000001f00000005776f726c6400000006616e796f6e65" +
      "000000010000000500ffffffff000000022f610000000132000000000000000200ffffffff000000022f6cffffffffffffffff01ffffffff",
    "0000004000000002000000000000000500000000ffffffff000000000000000000ffffffff00ffffff99ffffff99ffffffff00fffffffefffffffe" +
      "ffffffff01ffffffff",
    { ok: false, refusal: "other version", path: "/a" },
  ],
];

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function packetOf(hex: string): Uint8Array {
  return cutPacket(bytesOf(hex)) as Uint8Array;
}

describe("a packet of ZooKeeper", () => {
  it("with a request is the one that ZooKeeper's own client sends, and its reply is read", () => {
    for (const [xid, request, sent, reply, answer] of [...RECORDED, ...TRANSACTIONS]) {
      assertEquals(hexOf(encodeRequest(xid, request)), sent);
      const decoded = decodeReply(packetOf(reply));
      assertEquals(decoded.xid, xid);
      assertEquals(answerOf(request, decoded), answer);
    }
  });

  it("lists children", () => {
    assertEquals(hexOf(encodeRequest(8, getChildren("/flare"))), "000000130000000800000008000000062f666c61726500");
    // Its own client asks for more, which follows the list.
    const reply =
      "0000006d000000080000000000000008000000000000000200000001610000000c6c2d30303030303030303031000000000000000400" +
      "00000000000004000001a21f1d897b000001a21f1d897b000000000000000200000000000000000000000000000000000000020000000000000006";
    assertEquals(answerOf(getChildren("/flare"), decodeReply(packetOf(reply))), {
      ok: true,
      value: ["a", "l-0000000001"],
    });
  });

  it("begins, ends and guards a session", () => {
    const request = encodeSessionRequest({ ...NO_SESSION, timeoutMs: 30_000, lastZxid: 0n });
    assertEquals(
      hexOf(request),
      "0000002d000000000000000000000000000075300000000000000000000000100000000000000000000000000000000000",
    );
    const grant = "00000025000000000000271001000015b8ab000100000010ea428802b80f947e021dad63f556586400";
    assertEquals(decodeSessionGrant(packetOf(grant)), {
      timeoutMs: 10_000,
      id: 0x01000015b8ab0001n,
      password: bytesOf("ea428802b80f947e021dad63f5565864"),
    });
    assertEquals(hexOf(encodeLogin(fromLatin1("u:p"))), "0000001dfffffffc00000064000000000000000664696765737400000003753a70");
    assertEquals(hexOf(encodeRequest(12, closeSession())), "000000080000000cfffffff5");
  });

  it("brings the notice of a watch", () => {
    const notice = decodeReply(packetOf("00000024ffffffffffffffffffffffff000000000000000200000003000000082f666c6172652f61"));
    assertEquals([notice.xid, notice.zxid, decodeWatch(notice)], [-1, -1n, "/flare/a"]);
  });

  it("gives znodes to the user that creates them, if asked", () => {
    const request = latin1(encodeRequest(1, create("/a", EMPTY_BYTES, CREATOR)));
    assert(request.endsWith("\0\0\0\x01\0\0\0\x1f\0\0\0\x04auth\0\0\0\0\0\0\0\0"));
  });

  it("is cut out of what arrives, once it is complete", () => {
    const bytes = bytesOf("000000080000000cfffffff50000");
    for (let length = 0; length < 12; length++) assertEquals(cutPacket(bytes.subarray(0, length)), undefined);
    const packet = cutPacket(bytes) as Uint8Array;
    assertEquals([packet.length, packetBytes(packet)], [8, 12]);
    for (const hex of ["ffffffff", "7fffffff"]) {
      assertEquals((assertThrows(() => cutPacket(bytesOf(hex)), FlareError) as FlareError).code, "CORRUPT");
    }
  });

  it("that is cut short or changed anywhere is read or refused, and nothing else", () => {
    const read = (request: Request<unknown>, packet: Uint8Array) => {
      try {
        answerOf(request, decodeReply(packet));
      } catch (error) {
        assert(error instanceof FlareError, String(error));
      }
    };
    for (const [, request, , reply] of [...RECORDED, ...TRANSACTIONS]) {
      const packet = packetOf(reply);
      for (let at = 0; at < packet.length; at++) {
        read(request, packet.subarray(0, at));
        for (const byte of [0, 1, 0x7f, 0x80, 0xff]) read(request, packet.with(at, byte));
      }
    }
  });

  it("without the result that was asked for is refused", () => {
    const reply = decodeReply(packetOf("0000001900000001000000000000000400000000ffffffff01ffffffff"));
    const error = assertThrows(() => answerOf(transaction([], ONE), reply), FlareError) as FlareError;
    assertEquals(error.message, "malformed packet: the result of a transaction is missing");
  });
});
