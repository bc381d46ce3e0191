/**
 * Input before a login, the file of users, and access lists: nobody logs in without a password of that user, and nothing
 * depends on where the bytes are cut.
 */

import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { VERSION } from "../../../lib/base/version.ts";
import { AccessList } from "../../../lib/net/auth/access_list.ts";
import { AuthFile } from "../../../lib/net/auth/auth_file.ts";
import { LOGIN_BYTES_MAX, Login, LoginStep } from "../../../lib/net/auth/login.ts";
import { Opcode } from "../../../lib/protocol/binary/binary_protocol.ts";
import { BufferPool } from "../../../lib/protocol/buffer_pool.ts";
import { ReplySegment } from "../../../lib/protocol/reply_segment.ts";
import { TextReply } from "../../../lib/protocol/text/text_reply.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { packet } from "../../support/binary_packets.ts";
import { cut } from "../cuts.ts";
import type { Met } from "../fuzz_target.ts";
import { anyExchange } from "../request_grammar.ts";
import { corruption, kindOf, pureTarget } from "./reply_parsers.ts";

/** The file of users. */
export const USERS_TEXT = "ann:correct horse\nbob:battery\nbob:staple\n";
const USERS = new AuthFile("users", fromLatin1(USERS_TEXT));
/** Right ones and wrong ones. */
export const PASSWORDS = ["correct horse", "battery", "staple", "wrong", ""];

export const loginTarget = pureTarget(
  "login",
  "what is said before a login gets the same answers wherever it is cut; nobody is a user without that user's password",
  (random) => Array.from({ length: random.between(1, 4) }, () => attempt(random)).join(""),
  runLogin,
);

export const authFileTarget = pureTarget(
  "auth_file",
  "a file of users is read or refused; its users have the passwords it says and no others",
  (random) =>
    Array.from(
      { length: random.between(1, 4) },
      (_, i) => `user${i}:${random.pick(PASSWORDS)}${random.pick(["\n", "\r\n"])}`,
    ).join(""),
  runAuthFile,
);

export const accessListTarget = pureTarget(
  "access_list",
  "a list is understood or refused; whom it means does not depend on blanks or the order of its entries",
  (random) => Array.from({ length: random.between(1, 4) }, () => random.pick(ENTRIES)).join(","),
  runAccessList,
);

const ENTRIES = [
  "10.0.0.0/8",
  "127.0.0.1",
  "::1",
  "fd00::/8",
  "[::ffff:10.1.2.3]",
  "unix",
  "user:ann",
  "cert:node",
  "any",
  "none",
];
const PEERS = ["10.1.2.3:5", "127.0.0.1:5", "[::1]:5", "[fd00::7%eth0]:5", "[::ffff:10.0.0.1]:5", ":0", "host:5"];

/** An attempt to log in, or what else strangers say. */
export function attempt(random: SimRandom): string {
  const [user, password] = [random.pick(["ann", "bob", "eve", ""]), random.pick(PASSWORDS)];
  switch (random.between(0, 4)) {
    case 0: {
      const data = `${user} ${password}`;
      return `set ${random.pick(["auth", "x"])} 0 0 ${data.length}\r\n${data}\r\n`;
    }
    case 1:
    case 2: {
      const opcode = random.pick([Opcode.saslAuthenticate, Opcode.saslStep]);
      const value = random.chance(0.2) ? "" : `${random.pick(["", "", user])}\0${user}\0${password}`;
      return packet({ opcode, key: random.pick(["PLAIN", "PLAIN", "plain", "CRAM-MD5"]), value });
    }
    case 3:
      return packet({ opcode: random.pick([Opcode.saslListMechanisms, Opcode.version]) });
    default:
      return anyExchange(random).bytes;
  }
}

function runLogin(input: Uint8Array, random: SimRandom): Met {
  const met = new Set<string>();
  const whole = converse([input], met);
  const cutUp = converse(cut(input, random), met);
  // As in memcached an endless line ends the connection, while a long one that comes with its end is answered.
  if (cutUp.at(-1)?.startsWith(LEFT) === true && LONG_LINE.test(latin1(input))) {
    cutUp.pop();
    whole.length = cutUp.length;
  }
  if (whole.join("\n") !== cutUp.join("\n")) throw new Error(`whole: ${JSON.stringify(whole)}, cut: ${JSON.stringify(cutUp)}`);
  return met;
}

/** Each step with its answer and who it is then. */
function converse(chunks: readonly Uint8Array[], met: Set<string>): string[] {
  let said = "";
  const login = new Login({
    version: VERSION,
    verify(user, password) {
      said = `${user}:${latin1(password)}`;
      return USERS.verify(user, password);
    },
  });
  const found: string[] = [];
  let held = new Uint8Array(0);
  let swallow = 0;
  for (const chunk of chunks) {
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    let at = 0;
    while (at < bytes.length) {
      const skipped = Math.min(swallow, bytes.length - at);
      swallow -= skipped;
      at += skipped;
      if (at === bytes.length) break;
      const step = login.read(bytes, at, bytes.length);
      if (step === LoginStep.more) {
        if (login.needed > LOGIN_BYTES_MAX) throw new Error(`${login.needed} bytes are asked for`);
        if (bytes.length - at > LOGIN_BYTES_MAX) throw new Error(`${bytes.length - at} bytes are held`);
        break;
      }
      const reply = new TextReply(new ReplySegment(new BufferPool()));
      login.answer(reply);
      const answer = latin1(reply.segment.bytes, 0, reply.segment.length);
      if (login.user !== undefined && !KNOWN.includes(said)) throw new Error(`"${said}" became "${login.user}"`);
      met.add(`${step} ${answer.startsWith("\x81") ? answer.slice(1, 8) : answer} ${login.user ?? "-"}`);
      found.push(`${step} ${answer} ${login.user ?? "-"}`);
      if (step === LoginStep.refused) return found;
      at = login.position;
      swallow = login.swallow;
    }
    held = bytes.slice(at);
  }
  return found;
}

const LONG_LINE = new RegExp(`[^\\n]{${LOGIN_BYTES_MAX},}`);
/** Refused without an answer. */
const LEFT = `${LoginStep.refused}  `;
const KNOWN = ["ann:correct horse", "bob:battery", "bob:staple"];

function runAuthFile(input: Uint8Array): Met {
  try {
    const users = new AuthFile("users", input);
    const lines = latin1(input).split("\n");
    for (const line of lines.map((each) => each.replace(/\r$/, ""))) {
      const colon = line.indexOf(":");
      if (colon < 0) continue;
      const [user, password] = [line.slice(0, colon), line.slice(colon + 1)];
      if (!users.verify(user, fromLatin1(password))) throw new Error(`"${user}" has not the password of its line`);
      if (users.verify(user, fromLatin1(`${password}x`)) && !lines.some((each) => each.startsWith(`${line}x`))) {
        throw new Error(`"${user}" has a password that no line has`);
      }
    }
    return new Set(["read"]);
  } catch (error) {
    return new Set([kindOf(corruption(error, "INVALID_OPTION").replace(/.*: /, ""))]);
  }
}

function runAccessList(input: Uint8Array, random: SimRandom): Met {
  const text = latin1(input);
  const given = whoIsMeant(text);
  const shuffled = whoIsMeant(random.shuffle(text.split(",")).join(" , "));
  // Which entry is refused first depends on the order, that one is refused does not.
  if (given.replace(/^refused.*/s, "refused") !== shuffled.replace(/^refused.*/s, "refused")) {
    throw new Error(`given: ${given}, in another order: ${shuffled}`);
  }
  return new Set([given.replace(/".*/s, "")]);
}

function whoIsMeant(text: string): string {
  try {
    const list = new AccessList("admin-access", text, true);
    const visitors = PEERS.flatMap((peer) => [
      { peer, user: undefined, certificateName: undefined },
      { peer, user: "ann", certificateName: "node" },
    ]);
    return visitors.map((client) => (list.has(client) ? "1" : "0")).join("");
  } catch (error) {
    return `refused ${corruption(error, "INVALID_OPTION")}`;
  }
}
