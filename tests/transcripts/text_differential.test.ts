/**
 * Our node and Debian's memcached side by side: the same requests from a seed, answers compared byte for byte. What may
 * differ is in one short table, each with its reason; after such a request both are brought to the same state again.
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { type Cluster, detectRuntime, startCluster } from "../../mod.ts";
import { Memcached } from "../support/memcached_server.ts";
import { TextClient } from "../support/text_client.ts";
import { isInstalled } from "../support/tools.ts";
import { Dice, nextRequest, REQUEST_KEYS, type TextRequest } from "./text_requests.ts";

const SEEDS = 25;
const REQUESTS = 150;
/** Ends every answer, also one that is silence. */
const MARK = "mn\r\n";
const MARK_ANSWER = "MN\r\n";

/** A difference that is meant: docs/compatibility.md has a row for each. */
interface Excuse {
  readonly why: string;
  readonly request: RegExp;
  readonly ours: RegExp;
  readonly theirs: RegExp;
}

const EXCUSES: readonly Excuse[] = [
  {
    why: "a length nobody takes ends the connection, because what follows must not be read as commands",
    request: / (?:214748364[67]|4294967296)(?: noreply| foo)*\r\n/i,
    ours: /^CLIENT_ERROR bad command line format\r\n<closed>$/,
    theirs: /^(?:[A-Z_]+[^\r]*\r\n){0,4}$/,
  },
  {
    why: "as in 1.6.45 a refused storage line takes its data block along; there it is read as a command",
    request: /^(?:set|add|replace|append|prepend|cas) /,
    ours: /^(?:CLIENT_ERROR bad command line format\r\n){0,3}(?:ERROR\r\n)?$/,
    theirs: /^(?:(?:CLIENT_ERROR bad command line format|ERROR)\r\n){1,4}$/,
  },
  {
    why: "as in 1.6.45 too few words, and lines of next to nothing, are malformed; there they are unknown",
    request: /^(?:.{0,2}|[a-z]+(?: +[^ ]+){0,4} *)\r?\n/,
    ours: /^(?:CLIENT_ERROR bad (?:data chunk|command line format)\r\n){1,2}$/,
    theirs: /^(?:CLIENT_ERROR (?:bad data chunk|bad command line format|invalid exptime argument)\r\n)?(?:ERROR\r\n)?$/,
  },
  {
    why: "a number is the whole value; there it ends at the first blank",
    request: /^(?:incr|decr) /,
    ours: /^CLIENT_ERROR cannot increment or decrement non-numeric value\r\n$/,
    theirs: /^\d+\r\n$/,
  },
  {
    why: "our name and release",
    request: /^version/,
    ours: /^VERSION flare-[^\r]+\r\n$/,
    theirs: /^VERSION 1\.6\.[^\r]+\r\n$/,
  },
  {
    why: "keys may be 8191 bytes long, so such lines are not at fault",
    request: /k{251}/,
    ours: /^(?!CLIENT_ERROR bad command line format)/,
    theirs: /^CLIENT_ERROR bad command line format\r\n|<closed>$/,
  },
  {
    why: "several options may follow, sync and async among them; there it is one word",
    request: / (?:foo noreply|noreply foo)\r\n/,
    ours: /^(?:ERROR\r\n)?$/,
    theirs: /^(?:(?:ERROR\r\n){1,2}|CLIENT_ERROR bad command line format\. {2}Usage: delete <key> \[noreply\]\r\n)$/,
  },
  {
    why: "Flare's delete takes a time and a version",
    request: /^delete a (?:0 noreply|0 0 0)/,
    ours: /^(?:CLIENT_ERROR bad command line format\. {2}Usage: delete <key> \[noreply\]\r\n)?$/,
    theirs: /^(?:CLIENT_ERROR bad command line format\. {2}Usage|ERROR\r\n$)/,
  },
  {
    why: "as in 1.6.45 gat of no key at all is a word that is missing; there it is an empty answer",
    request: /^gats? 0\r?\n/,
    ours: /^CLIENT_ERROR bad command line format\r\n$/,
    theirs: /^END\r\n$/,
  },
  {
    why: "the lines of stats sizes_enable and sizes_disable have no END there, so that clients wait for ever",
    request: /^stats sizes_(?:en|dis)able/,
    ours: /^STAT sizes_status (?:en|dis)abled\r\nEND\r\n$/,
    theirs: /^STAT sizes_status (?:en|dis)abled\r\n$/,
  },
  {
    why: "an item takes other bytes in memory here, and all are counted, not only those stored since it is enabled",
    request: /^stats sizes\r?\n/,
    ours: /^(?:STAT \d+ \d+\r\n)*END\r\n$/,
    theirs: /^(?:STAT \d+ \d+\r\n)*END\r\n$/,
  },
  {
    why: "there are no slab classes to move and no segments of an LRU to tune, and shutdown is the index server's",
    request: /^(?:slabs|lru|shutdown|refresh_certs)/,
    ours: /^ERROR\r\n$/,
    theirs: /^ERROR: shutdown not enabled\r\n$|^Error TLS not enabled\r\n$/,
  },
];

/** One of the two, and what it says. */
class Side {
  readonly #client: TextClient;

  constructor(client: TextClient) {
    this.#client = client;
  }

  /** The whole answer; of a closed connection with `<closed>` behind it. */
  async ask(text: string): Promise<string> {
    await this.#client.send(text + MARK);
    const received = await this.#client.until((all) => all.endsWith(MARK_ANSWER));
    this.#client.received = "";
    return this.#client.closed ? `${received}<closed>` : received.slice(0, -MARK_ANSWER.length);
  }

  /** The version it gives a key. */
  async versionOf(key: string): Promise<string> {
    return / (\d+)\r\n/.exec((await this.ask(`gets ${key}\r\n`)).replace(/^VALUE \S+ \d+ \d+/, ""))?.[1] ?? "1";
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  close(): void {
    this.#client.close();
  }
}

/** Versions are each server's own. */
function withoutVersions(answer: string): string {
  return answer.replace(/^(VALUE \S+ \d+ \d+) \d+\r$/gm, "$1 #\r");
}

if (isInstalled("memcached")) {
  describe("the text protocol beside memcached", () => {
    let runtime: Runtime;
    let cluster: Cluster;
    let memcached: Memcached;

    before(async () => {
      runtime = detectRuntime({ logLevel: "error" });
      cluster = await startCluster({ logLevel: "error" });
      memcached = await Memcached.start(runtime);
    });

    after(async () => {
      memcached.stop();
      await cluster.stop();
    });

    async function connect(): Promise<[Side, Side]> {
      const address = { host: "127.0.0.1", port: cluster.nodes[0]?.address.port ?? 0 };
      return [
        new Side(await TextClient.connect(runtime, address)),
        new Side(await TextClient.connect(runtime, memcached.address)),
      ];
    }

    async function play(seed: number): Promise<void> {
      const dice = new Dice(seed);
      let [ours, theirs] = await connect();
      const reset = async (keys: readonly string[]): Promise<void> => {
        if (ours.closed || theirs.closed) {
          ours.close();
          theirs.close();
          [ours, theirs] = await connect();
        }
        const text = keys.map((key) => `set ${key} 0 0 1\r\n5\r\n`).join("");
        assertEquals(await ours.ask(text), await theirs.ask(text));
      };
      await Promise.all([ours.ask("flush_all\r\n"), theirs.ask("flush_all\r\n")]);
      for (let i = 0; i < REQUESTS; i++) {
        const request = nextRequest(dice);
        const told = async (side: Side): Promise<string> => {
          const text = request.text.includes("{cas}")
            ? request.text.replace("{cas}", await side.versionOf(request.key))
            : request.text;
          return withoutVersions(await side.ask(text));
        };
        const [our, their] = await Promise.all([told(ours), told(theirs)]);
        if (our !== their) {
          const excuse = excuseFor(request, our, their);
          const what = `seed ${seed}, request ${i}: ${JSON.stringify(request.text)}`;
          assert(excuse !== undefined, `${what}\n ours: ${JSON.stringify(our)}\n memcached: ${JSON.stringify(their)}`);
        }
        if (our !== their || ours.closed) await reset(REQUEST_KEYS);
        // A number that needs fewer bytes than its value had is padded there.
        if (/^(?:in|de)cr/.test(request.text)) await reset([request.key]);
      }
      ours.close();
      theirs.close();
    }

    function excuseFor({ text }: TextRequest, our: string, their: string): Excuse | undefined {
      return EXCUSES.find(({ request, ours, theirs }) => request.test(text) && ours.test(our) && theirs.test(their));
    }

    it("a flush_all with a delay", async () => {
      const sides = await connect();
      const ask = async (text: string): Promise<string> => {
        const [our, their] = await Promise.all(sides.map((side) => side.ask(text)));
        assertEquals(our, their, text);
        return our as string;
      };
      const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));
      await ask("flush_all\r\n");
      // The clock of the other one goes in whole seconds since its start: half of one says nothing.
      for (const delay of [() => "4", () => String(Math.floor(Date.now() / 1000) + 4)]) {
        await ask("set a 0 0 1\r\nx\r\nflush_all 100\r\n");
        const dueMs = performance.now() + 5500;
        const there = "VALUE a 0 1\r\nx\r\nEND\r\n";
        assertEquals(await ask(`flush_all ${delay()}\r\nget a\r\nset b 0 0 1\r\nx\r\n`), `OK\r\n${there}STORED\r\n`);
        await pause(dueMs - performance.now());
        assertEquals(await ask("get a b\r\nset c 0 0 1\r\nx\r\n"), "END\r\nSTORED\r\n");
        await pause(1200);
        assertEquals(await ask("get c\r\n"), "VALUE c 0 1\r\nx\r\nEND\r\n");
      }
      for (const called of ["0", "-1"]) {
        assertEquals(
          await ask(`set a 0 0 1\r\nx\r\nflush_all 1\r\nflush_all ${called}\r\nget a\r\n`),
          "STORED\r\nOK\r\nOK\r\nEND\r\n",
        );
        await ask("set a 0 0 1\r\nx\r\n");
        await pause(2500);
        assertEquals(await ask("get a\r\n"), "VALUE a 0 1\r\nx\r\nEND\r\n");
      }
      for (const side of sides) side.close();
    });

    for (let seed = 1; seed <= SEEDS; seed++) it(`seed ${seed}`, () => play(seed));
  });
}
