/**
 * Whole sessions of a node that requires a login, before, during and after it: the answers do not depend on where the bytes are
 * cut, and without a password a client learns nothing about stored items.
 */

import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { LOGIN_BYTES_MAX } from "../../../lib/net/auth/login.ts";
import { Opcode } from "../../../lib/protocol/binary/binary_protocol.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { packet } from "../../support/binary_packets.ts";
import { answerWord } from "../answer_reader.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";
import { FuzzedCluster } from "../fuzzed_cluster.ts";
import { anyExchange } from "../request_grammar.ts";
import { attempt, USERS_TEXT } from "./logins.ts";
import { areComparable, LEFT_OUT } from "./sessions.ts";

const EXCHANGES_MAX = 10;
const SECRET = "the-value-of-the-treasure";
/** The servers' own user, whose password no input has. */
const SERVERS = "node:of-the-cluster";
const KNOWN_PASSWORDS = USERS_TEXT.trimEnd()
  .split("\n")
  .map((line) => line.slice(line.indexOf(":") + 1));
/** The first word of lines that only somebody who is let in may hear. */
const SERVED = /^(VALUE|END|VA|HD|EN|NF|NS|EX|MN|DELETED|TOUCHED|OK|STAT|KEY|NEXT|MORE|VERSION|NOT_FOUND|NOT_STORED)( |\r$|$)/m;
/** The header of a packet up to its opaque, which is the stranger's own. */
const OPAQUE = /(\x81.{11}).{4}/gs;

export const lockedTarget: FuzzTarget = {
  name: "locked",
  oracle: "a session that has to log in has the same answers wherever it is cut, and tells nothing to who has no password",
  async open() {
    return new LockedSubject(await FuzzedCluster.start(1, false, `${SERVERS}\n${USERS_TEXT}`));
  },
};

class LockedSubject implements FuzzSubject {
  readonly #cluster: FuzzedCluster;

  constructor(cluster: FuzzedCluster) {
    this.#cluster = cluster;
  }

  generate(random: SimRandom): Uint8Array {
    const parts = Array.from({ length: random.between(1, EXCHANGES_MAX) }, () => {
      if (random.chance(0.4)) return attempt(random);
      return random.chance(0.3) ? theft(random) : anyExchange(random).bytes;
    });
    return fromLatin1(parts.join(""));
  }

  async run(input: Uint8Array, random: SimRandom): Promise<Met> {
    const text = latin1(input);
    if (LEFT_OUT.test(text)) return new Set();
    const whole = await this.#ask(input.length === 0 ? [] : [input], random, 0);
    const cutUp = await this.#ask(cut(input, random), random, random.pick([0, 0.5, 0.9]));
    // Who says more than is kept for a stranger is left, and how much waits behind a wrong password depends on the cuts.
    if (cutUp !== whole && areComparable(whole, cutUp) && input.length <= LOGIN_BYTES_MAX) {
      throw new Error(`whole: ${JSON.stringify(whole)}, cut: ${JSON.stringify(cutUp)}`);
    }
    if (/internal error/i.test(whole)) throw new Error(`answered ${JSON.stringify(whole)}`);
    for (const answer of [whole, cutUp]) {
      if (KNOWN_PASSWORDS.some((password) => text.includes(password))) continue;
      if (answer.includes(SECRET) || SERVED.test(answer.replace(OPAQUE, "$1")))
        throw new Error(`a stranger was answered ${JSON.stringify(answer)}`);
    }
    return new Set(
      whole.split("\r\n").map((line) => (line.startsWith("\x81") ? `packet ${line.slice(1, 8)}` : answerWord(line))),
    );
  }

  close(): Promise<void> {
    return this.#cluster.stop();
  }

  async #ask(chunks: readonly Uint8Array[], random: SimRandom, slowness: number): Promise<string> {
    await this.#cluster.flush();
    await this.#cluster.say(0, `set treasure 0 0 ${SECRET.length}\r\n${SECRET}\r\n`, "STORED\r\n");
    return this.#cluster.ask(0, chunks, random, slowness);
  }
}

/** Asks for what is kept from strangers. */
function theft(random: SimRandom): string {
  return random.pick([
    "get treasure\r\n",
    "gat 0 treasure\r\n",
    "mg treasure v\r\n",
    "scan 10 v\r\n",
    "mn\r\n",
    "version\r\n",
    packet({ opcode: Opcode.get, key: "treasure" }),
    packet({ opcode: Opcode.noop }),
  ]);
}
