/**
 * What is said before and while a client logs in, with the answers of memcached 1.6: by text to `memcached -Y`, by SASL to
 * `memcached -S`. The user is `alice`, her password `secret`; `bob` has one with blanks.
 */

import { PROTOCOL_VERSION } from "../../lib/base/version.ts";
import { packet } from "../support/binary_packets.ts";

export const USERS = "alice:secret\nbob:pa:ss word\nnode:of-the-cluster\n";

export interface Conversation {
  readonly name: string;
  /** What is sent, and the complete answer to it. */
  readonly steps: readonly (readonly [send: string, answer: string])[];
  /** The server closes after the last answer. */
  readonly closes?: boolean;
  /** memcached does otherwise, and why we do not. */
  readonly differs?: string;
}

const UNKNOWN = "CLIENT_ERROR unauthenticated\r\n";
const BAD_FORMAT = "CLIENT_ERROR bad authentication token format\r\n";
const FAILURE = "CLIENT_ERROR authentication failure\r\n";
export const LOGIN = "set x 0 0 12\r\nalice secret\r\n";
const WRONG = "set x 0 0 12\r\nalice wrong1\r\n";
const GET: readonly [string, string] = ["get nothing\r\n", "END\r\n"];

/** Each of them leaves the client unknown. */
function refused(send: string, answer: string): Conversation {
  return {
    name: JSON.stringify(send.slice(0, 48)),
    steps: [
      [send, answer],
      ["get nothing\r\n", UNKNOWN],
    ],
  };
}

/** Each of them logs in. */
function accepted(send: string): Conversation {
  return { name: JSON.stringify(send.slice(0, 48)), steps: [[send, "STORED\r\n"], GET] };
}

export const TEXT_CONVERSATIONS: readonly Conversation[] = [
  ...["version", "get a", "quit", "stats", "foo", "", "mn", "set", "set x", "set x 0 0 abc", "set x 0 0 -1"].map((line) =>
    refused(`${line}\r\n`, UNKNOWN),
  ),
  refused(`get ${"a".repeat(3000)}\r\n`, UNKNOWN),
  refused("SET x 0 0 0\r\n", UNKNOWN),
  refused("set x 0 0 3\r\nabc\r\n", BAD_FORMAT),
  refused("set x 0 0 0\r\n\r\n", BAD_FORMAT),
  refused("set x 0 0 12\r\nalice:secret\r\n", BAD_FORMAT),
  refused(`set x 0 0 1024\r\n${"a".repeat(1024)}\r\n`, BAD_FORMAT),
  refused(`set x 0 0 5000\r\n${"a".repeat(5000)}\r\n`, BAD_FORMAT),
  refused("set x 0 0 12\r\nalice secretXX", "CLIENT_ERROR bad command line termination\r\n"),
  refused(WRONG, FAILURE),
  refused("set x 0 0 12 noreply\r\nalice wrong1\r\n", FAILURE),
  refused("set x 0 0 14\r\nalice secretly\r\n", FAILURE),
  refused("set x 0 0 13\r\nnobody secret\r\n", FAILURE),
  refused("set x 0 0 15\r\nbob pa:ss word1\r\n", FAILURE),
  refused("set x 0 0 15\r\nbob pa:ss word \r\n", FAILURE),
  accepted(LOGIN),
  accepted("set x 0 0 12 noreply\r\nalice secret\r\n"),
  accepted(`set ${"k".repeat(300)} 0 0 12\r\nalice secret\r\n`),
  accepted("set x 0 0 13\r\nalice secret \r\n"),
  accepted("set x 0 0 13\r\nalice  secret\r\n"),
  accepted("set x 0 0 21\r\nalice secret nonsense\r\n"),
  accepted("set x a b 12\r\nalice secret\r\n"),
  accepted("set x 0 0 12 foo bar\r\nalice secret\r\n"),
  accepted("set x 0 0 12\nalice secret\r\n"),
  accepted(" set x 0 0 12\r\nalice secret\r\n"),
  { name: "after wrong ones", steps: [[WRONG, FAILURE], [WRONG, FAILURE], [LOGIN, "STORED\r\n"], GET] },
  { name: "the next commands come along", steps: [[`${LOGIN}get nothing\r\nget nothing\r\n`, "STORED\r\nEND\r\nEND\r\n"]] },
  {
    name: "once it is done it is an ordinary set",
    steps: [
      [LOGIN, "STORED\r\n"],
      ["set again 0 0 12\r\nalice wrong1\r\n", "STORED\r\n"],
      ["get again\r\n", "VALUE again 0 12\r\nalice wrong1\r\nEND\r\n"],
    ],
  },
  { name: "3000 bytes without a line", steps: [["a".repeat(3000), ""]], closes: true },
  { name: "a megabyte of name and password", steps: [[`set x 0 0 1000000\r\n${"a".repeat(100000)}`, ""]], closes: true },
  {
    name: "several commands at once",
    steps: [[`get a\r\nget b\r\n${WRONG}${LOGIN}get c\r\n`, `${UNKNOWN}${UNKNOWN}${FAILURE}STORED\r\nEND\r\n`]],
    differs: "memcached keeps only the last of the answers it owes a client that is not known yet",
  },
  {
    name: "the longest length there is",
    steps: [["set x 0 0 4294967290\r\n", ""]],
    closes: true,
    differs: "memcached counts beyond 32 bits; 1.6.18 crashes from set x 0 0 2147483647",
  },
  {
    name: "binary on the same port",
    steps: [
      [packet({ opcode: 0x20 }), "20 0 PLAIN"],
      [packet({ opcode: 0x21, key: "PLAIN", value: "\0alice\0secret" }), "21 0 Authenticated"],
    ],
    differs: "memcached has one kind of login a port",
  },
];

const OK = "21 0 Authenticated";
const FAILED = "21 20 Auth failure.";
const plain = (value: string, opcode = 0x21, key = "PLAIN"): string => packet({ opcode, key, value });
const ALICE = plain("\0alice\0secret");
const MISS: readonly [string, string] = [packet({ opcode: 0x00, key: "nothing" }), "0 1 Not found"];
const OUTSIDE: readonly [string, string] = [packet({ opcode: 0x00, key: "nothing" }), "0 20 Auth failure."];
const ITEM_OPCODES = [0x00, 0x01, 0x04, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x0e, 0x10, 0x11, 0x17, 0x1b, 0x1c, 0x23];

export const SASL_CONVERSATIONS: readonly Conversation[] = [
  ...ITEM_OPCODES.map(
    (opcode): Conversation => ({
      name: `opcode ${opcode.toString(16)} before the login`,
      steps: [[packet({ opcode }), `${opcode.toString(16)} 20 Auth failure.`]],
      closes: true,
    }),
  ),
  {
    name: "the mechanisms",
    steps: [
      [packet({ opcode: 0x20 }), "20 0 PLAIN"],
      [packet({ opcode: 0x20, key: "x" }), "20 4 Invalid arguments"],
    ],
    closes: true,
  },
  { name: "a login", steps: [[ALICE, OK], MISS, MISS] },
  {
    name: "the version, which is no secret",
    steps: [
      [packet({ opcode: 0x0b }), `b 0 ${PROTOCOL_VERSION}`],
      [packet({ opcode: 0x0b, key: "x" }), "b 4 Invalid arguments"],
    ],
    closes: true,
    differs: "memcached has another",
  },
  {
    name: "the mechanisms after the login",
    steps: [[ALICE, OK], [packet({ opcode: 0x20 }), "20 0 PLAIN"], MISS],
    differs: "memcached revokes the login: listing the mechanisms restarts it",
  },
  { name: "a password with blanks", steps: [[plain("\0bob\0pa:ss word"), OK], MISS] },
  { name: "for oneself", steps: [[plain("alice\0alice\0secret"), OK], MISS] },
  { name: "small letters", steps: [[plain("\0alice\0secret", 0x21, "plain"), OK], MISS] },
  { name: "in two steps", steps: [[plain(""), "21 21 "], [plain("\0alice\0secret", 0x22), "22 0 Authenticated"], MISS] },
  {
    name: "a second step that names no mechanism there is",
    steps: [[plain(""), "21 21 "], [plain("\0alice\0secret", 0x22, "FOO"), "22 0 Authenticated"], MISS],
  },
  {
    name: "wrong, then right in a further step",
    steps: [
      [plain(""), "21 21 "],
      [plain("\0alice\0wrong", 0x22), "22 20 Auth failure."],
      [plain("\0alice\0secret", 0x22), "22 0 Authenticated"],
      MISS,
    ],
  },
  { name: "a second step first", steps: [[plain("\0alice\0secret", 0x22), "22 20 Auth failure."], [ALICE, OK], MISS] },
  ...[
    "\0alice\0wrong",
    "\0alice\0secretx",
    "\0alice\0secret\0",
    "\0nobody\0secret",
    "\0alice\0",
    "\0\0",
    "alice\0secret",
    "bob\0alice\0secret",
    "x".repeat(1000),
  ].map(
    (value): Conversation => ({ name: JSON.stringify(value.slice(0, 20)), steps: [[plain(value), FAILED], [ALICE, OK], MISS] }),
  ),
  { name: "nothing without a login", steps: [[plain("\0alice\0wrong"), FAILED], OUTSIDE], closes: true },
  { name: "another mechanism", steps: [[plain("\0alice\0secret", 0x21, "FOO"), FAILED], OUTSIDE], closes: true },
  { name: "no mechanism", steps: [[plain("\0alice\0secret", 0x21, ""), "21 4 Invalid arguments"]], closes: true },
  { name: "a name too long", steps: [[plain("x", 0x21, "P".repeat(33)), "21 4 Invalid arguments"], [ALICE, OK], MISS] },
  { name: "a name far too long", steps: [[plain("x", 0x21, "P".repeat(300)), "21 4 Invalid arguments"]], closes: true },
  {
    name: "extras",
    steps: [[packet({ opcode: 0x21, extras: "abcd", key: "PLAIN", value: "\0alice\0secret" }), "21 4 Invalid arguments"]],
    closes: true,
  },
  { name: "the next request comes along", steps: [[ALICE + MISS[0], `${OK}\n${MISS[1]}`]] },
  { name: "wrong and right at once", steps: [[plain("\0alice\0wrong") + ALICE + MISS[0], `${FAILED}\n${OK}\n${MISS[1]}`]] },
  {
    name: "a wrong password takes the login back",
    steps: [[ALICE, OK], [plain("\0alice\0wrong"), FAILED], OUTSIDE],
    closes: true,
  },
  { name: "starting a new login revokes the old one", steps: [[ALICE, OK], [plain(""), "21 21 "], OUTSIDE], closes: true },
  { name: "an unknown opcode before the login", steps: [[packet({ opcode: 0x40 }), "40 20 Auth failure."]], closes: true },
  {
    name: "the right password a second time",
    steps: [[ALICE, OK], [ALICE, OK], MISS],
    differs: "memcached refuses it and takes the login back, because the SASL library has finished",
  },
  {
    name: "text on the same port",
    steps: [["version\r\n", UNKNOWN], [LOGIN, "STORED\r\n"], MISS],
    differs: "memcached has one kind of login a port",
  },
  {
    name: "two gigabytes of password",
    steps: [[`${ALICE.slice(0, 8)}\x7f\xff\xff\xff${ALICE.slice(12)}`, "21 4 Invalid arguments"]],
    closes: true,
    differs: "memcached waits for them",
  },
];
