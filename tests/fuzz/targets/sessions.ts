/**
 * Whole sessions of a real node: any bytes, cut anywhere, with slow readers; and known requests with a marker after each, on
 * one node and through a cluster in which most keys are on other nodes.
 */

import { concatBytes, fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { SimRandom } from "../../../lib/testing/sim_random.ts";
import { AnswerReader, answerWord } from "../answer_reader.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";
import { FuzzedCluster } from "../fuzzed_cluster.ts";
import { anyExchange, type Exchange, marker } from "../request_grammar.ts";

/** The counted memory is checked after this many inputs. */
const HELD_CHECKED_EVERY = 200;
const EXCHANGES_MAX = 12;
/** Commands that change more than can be changed back, or that wait. */
export const LEFT_OUT = /kill|node|(?<!meta|detail )dump(?!_key\r?\n)/;
/** In answers that differ from moment to moment: statistics, in text and binary, cursors, and a crawl that still runs. */
const CHANGING = ["STAT ", "\x81\x10", "VARIABLE ", "NEXT ", "MORE ", "ts=", "PREFIX ", "BUSY "];

/** Whether two answers to the same requests have to be the same. */
export function areComparable(one: string, other: string): boolean {
  return !CHANGING.some((word) => one.includes(word) || other.includes(word));
}

export const sessionTarget: FuzzTarget = {
  name: "session",
  oracle: "any bytes get the same answers wherever they are cut and however slowly they are read; no request fails inside",
  async open() {
    return new SessionSubject(await FuzzedCluster.start(1, false));
  },
};

export const orderTarget: FuzzTarget = {
  name: "order",
  oracle: "each request gets its own answer, in the order of the requests, also behind one that is refused",
  async open() {
    return new OrderSubject(await FuzzedCluster.start(1, false));
  },
};

export const forwardingTarget: FuzzTarget = {
  name: "forwarding",
  oracle: "the same through any node of a cluster whose nodes have to ask each other",
  async open() {
    return new OrderSubject(await FuzzedCluster.start(2, true));
  },
};

class SessionSubject implements FuzzSubject {
  readonly #cluster: FuzzedCluster;
  #runs = 0;

  constructor(cluster: FuzzedCluster) {
    this.#cluster = cluster;
  }

  generate(random: SimRandom): Uint8Array {
    const count = random.between(1, EXCHANGES_MAX);
    return fromLatin1(
      Array.from({ length: count }, () => (random.chance(0.02) ? watch(random) : anyExchange(random).bytes)).join(""),
    );
  }

  async run(input: Uint8Array, random: SimRandom): Promise<Met> {
    if (LEFT_OUT.test(latin1(input))) return new Set();
    await this.#cluster.flush();
    const whole = await this.#cluster.ask(0, input.length === 0 ? [] : [input], random, 0);
    await this.#cluster.flush();
    const cutUp = await this.#cluster.ask(0, cut(input, random), random, random.pick([0, 0.5, 0.9]));
    if (cutUp !== whole && areComparable(whole, cutUp))
      throw new Error(`whole: ${JSON.stringify(whole)}, cut: ${JSON.stringify(cutUp)}`);
    if (/internal error/i.test(whole)) throw new Error(`answered ${JSON.stringify(whole)}`);
    if (++this.#runs % HELD_CHECKED_EVERY === 0) await this.#cluster.checkNothingIsHeld();
    return new Set(
      whole.split("\r\n").map((line) => (line.startsWith("\x81") ? `packet ${line.slice(1, 8)}` : answerWord(line))),
    );
  }

  close(): Promise<void> {
    return this.#cluster.stop();
  }
}

function watch(random: SimRandom): string {
  return `watch ${random.pick(["fetchers", "mutations", "evictions fetchers", "", "nonsense"])}\r\n`;
}

/** The input is a list of 32-bit numbers, each of which stands for a request. */
class OrderSubject implements FuzzSubject {
  readonly #cluster: FuzzedCluster;
  #runs = 0;

  constructor(cluster: FuzzedCluster) {
    this.#cluster = cluster;
  }

  generate(random: SimRandom): Uint8Array {
    return Uint8Array.from({ length: 4 * random.between(1, EXCHANGES_MAX) }, () => random.between(0, 255));
  }

  async run(input: Uint8Array, random: SimRandom): Promise<Met> {
    const exchanges = exchangesOf(input);
    const bytes = concatBytes(exchanges.map((exchange) => fromLatin1(exchange.bytes)));
    const node = random.between(0, this.#cluster.accepts.length - 1);
    const answer = await this.#cluster.ask(node, cut(bytes, random), random, random.pick([0, 0.5, 0.9]));
    const reader = new AnswerReader(answer);
    try {
      exchanges.forEach((exchange, i) => {
        reader.read(exchange, exchanges[i + 1] ?? exchange);
      });
      reader.end();
    } catch (error) {
      throw new Error(`${(error as Error).message}; asked: ${JSON.stringify(latin1(bytes))}`);
    }
    if (++this.#runs % HELD_CHECKED_EVERY === 0) await this.#cluster.checkNothingIsHeld();
    return reader.met;
  }

  close(): Promise<void> {
    return this.#cluster.stop();
  }
}

/** The requests an input stands for, a marker behind each. */
function exchangesOf(input: Uint8Array): Exchange[] {
  const exchanges: Exchange[] = [];
  for (let at = 0; at < input.length; at += 4) {
    const random = new SimRandom(input.subarray(at, at + 4).join());
    exchanges.push(anyExchange(random), marker(at / 4, random));
  }
  return exchanges;
}
