/**
 * Lanes to nodes that are busy, silent, or that forget a connection, on a clock that is moved by hand.
 *
 * Covers lib/net/peer/peer_link.ts, lib/net/peer/presence.ts and lib/net/worker.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { PassedRequest, Peer } from "../../../../lib/net/peer/peer.ts";
import {
  type FoundReply,
  type Introduction,
  PeerError,
  type PeerFeature,
  type PeerOptions,
} from "../../../../lib/net/peer/peer_link.ts";
import { WorkerRegistry } from "../../../../lib/net/worker.ts";
import { Command } from "../../../../lib/protocol/command.ts";
import { ReplyShape } from "../../../../lib/protocol/text/text_client.ts";
import { type FarEnd, PlayedNetwork } from "../../../support/played_network.ts";

const KEY = "n:1";
const PING = "ping\r\n";
const OPTIONS: PeerOptions = {
  connectTimeoutMs: 2000,
  replyTimeoutMs: 30000,
  silenceTimeoutMs: 5000,
  queueBytesMax: 100000,
  replyBytesMax: 100000,
};

const INTRODUCTION: Introduction = { nodeKey: "s:1", forwardLine: () => fromLatin1("<s:1>forward 1\r\n") };

/** One lane to a host that answers pings on connections without other requests, and what `answers` has. */
class Scene {
  readonly network = new PlayedNetwork();
  readonly peer: Peer;
  /** Every connection the lane, or a question whether the host is there, has opened. */
  readonly connections: FarEnd[] = [];
  /** What came, but for pings. */
  readonly requests: string[] = [];
  pings = 0;
  answers: Record<string, string> = {};
  /** The answer to a question about a connection; undefined = the host does not know connections by name. */
  lane: string | undefined;
  /** The host that is there instead. */
  stranger: string | undefined;

  constructor(options: Partial<PeerOptions> = {}, introduction?: Introduction) {
    const address = { host: "n", port: 1 };
    const all = { ...OPTIONS, ...options };
    this.peer = new Peer(this.network.runtime, address, 16, new WorkerRegistry(), all, introduction);
    this.network.onConnect = (_key, far) => {
      this.connections.push(far);
      let waits = false;
      far.onReceived = () => {
        const lines = far.received.split("\r\n").slice(0, -1);
        far.received = "";
        for (const line of this.network.silent.has(KEY) ? [] : lines) {
          const [, verb] = /^<s:1>lane (open|ask) \d+(?: n:1)?$/.exec(line) ?? [];
          if (verb !== undefined) {
            const opened = this.stranger === undefined ? "OK\r\n" : `SERVER_ERROR this is node ${this.stranger}\r\n`;
            far.send(this.lane === undefined ? "ERROR\r\n" : verb === "open" ? opened : `${this.lane}\r\n`);
            continue;
          }
          const answer = `${line}\r\n` === PING ? "OK\r\n" : this.answers[line];
          if (answer === "OK\r\n") this.pings++;
          else this.requests.push(line);
          waits ||= answer === undefined;
          if (!waits && answer !== undefined) far.send(answer);
        }
      };
    };
  }

  /** Asks; what comes of it, and how long it took. */
  ask(line: string): { outcome: string | undefined; afterMs: number } {
    return this.#track((bytes) => this.peer.request(bytes, ReplyShape.line), line);
  }

  /** As `ask` for a repeatable request; `delays` counts delays. */
  repeat(line: string, delays: string[], metaLine?: string): { outcome: string | undefined; afterMs: number } {
    const meta = metaLine === undefined ? undefined : { bytes: fromLatin1(`${metaLine}\r\n`), shape: ReplyShape.line };
    return this.#track(
      (bytes) => this.peer.repeat({ meta, plain: { bytes, shape: ReplyShape.line } }, () => delays.push(line)),
      line,
    );
  }

  #track(
    send: (bytes: Uint8Array) => Promise<{ line: string }>,
    line: string,
  ): { outcome: string | undefined; afterMs: number } {
    const startMs = this.network.clock.monotonicMs();
    const result: { outcome: string | undefined; afterMs: number } = { outcome: undefined, afterMs: 0 };
    const settle = (outcome: string): void => {
      result.outcome = outcome;
      result.afterMs = this.network.clock.monotonicMs() - startMs;
    };
    send(fromLatin1(`${line}\r\n`)).then(
      (reply) => settle(reply.line),
      (error: unknown) => {
        assert(error instanceof PeerError);
        settle(error.mayHaveHappened ? "in doubt" : "not sent");
      },
    );
    return result;
  }
}

describe("a lane to a node that has disappeared", () => {
  it("fails within the silence timeout, and at once from then on, until the node is back", async () => {
    const scene = new Scene();
    scene.answers = { a: "A\r\n", b: "B\r\n" };
    const first = scene.ask("a");
    await scene.network.pass(10);
    assertEquals(first.outcome, "A");
    scene.network.silent.add(KEY);
    const second = scene.ask("a");
    await scene.network.pass(6000);
    assertEquals([second.outcome, Math.round(second.afterMs / 100)], ["in doubt", 50]);
    const third = scene.ask("a");
    await scene.network.settle();
    assertEquals([third.outcome, third.afterMs], ["not sent", 0]);
    scene.network.silent.clear();
    await scene.network.pass(3000);
    const fourth = scene.ask("b");
    await scene.network.settle();
    assertEquals(fourth.outcome, "B");
    scene.peer.close();
  });

  it("finds out without any request, so that nobody has to wait", async () => {
    const scene = new Scene();
    scene.answers = { a: "A\r\n" };
    scene.ask("a");
    await scene.network.pass(10);
    scene.network.silent.add(KEY);
    await scene.network.pass(15100);
    const late = scene.ask("a");
    await scene.network.settle();
    assertEquals([late.outcome, late.afterMs], ["not sent", 0]);
    scene.peer.close();
  });

  it("finds out when nothing but requests without an answer has been sent, and no more goes out", async () => {
    const scene = new Scene();
    scene.answers = { a: "A\r\n" };
    scene.ask("a");
    await scene.network.pass(10);
    scene.network.silent.add(KEY);
    void scene.peer.request(fromLatin1("set k 0 0 1 noreply\r\nx\r\n"), undefined);
    await scene.network.pass(15100);
    const late = scene.ask("a");
    await scene.network.settle();
    assertEquals(late.outcome, "not sent");
    scene.peer.close();
  });

  it("repeats what may be carried out twice, in order and before anything newer, and tells that it takes long", async () => {
    const scene = new Scene();
    const delays: string[] = [];
    scene.answers = { a: "A\r\n", b: "B\r\n", c: "C\r\n", d: "D\r\n" };
    scene.ask("a");
    await scene.network.pass(10);
    scene.network.silent.add(KEY);
    const b = scene.repeat("b", delays);
    await scene.network.pass(4900);
    assertEquals(delays, []);
    await scene.network.pass(200);
    assertEquals(delays, ["b"]);
    const c = scene.repeat("c", delays);
    assertEquals(delays, ["b", "c"]);
    await scene.network.pass(60000);
    scene.network.silent.clear();
    await scene.network.passUntil(() => scene.requests.length > 1, 3000);
    const d = scene.repeat("d", delays);
    await scene.network.pass(100);
    assertEquals(scene.requests, ["a", "b", "c", "d"]);
    assertEquals([b.outcome, c.outcome, d.outcome], ["B", "C", "D"]);
    scene.peer.close();
  });

  it("gives what is repeated up when the node left the cluster", async () => {
    const scene = new Scene();
    scene.network.silent.add(KEY);
    const copy = scene.repeat("a", []);
    await scene.network.pass(10000);
    assertEquals(copy.outcome, undefined);
    scene.peer.retire(2000);
    await scene.network.settle();
    assertEquals(copy.outcome, "not sent");
  });
});

describe("a lane to a node that is busy", () => {
  it("waits for as long as the node says elsewhere that it is there", async () => {
    const scene = new Scene();
    const slow = scene.ask("slow");
    await scene.network.pass(29000);
    assertEquals(slow.outcome, undefined);
    assert(scene.pings >= 10);
    scene.connections[0]?.send("DONE\r\n");
    await scene.network.settle();
    assertEquals(slow.outcome, "DONE");
    scene.peer.close();
  });

  it("does not wait for ever", async () => {
    const scene = new Scene();
    const slow = scene.ask("slow");
    await scene.network.pass(31000);
    assertEquals([slow.outcome, slow.afterMs], ["in doubt", 30000]);
    scene.peer.close();
  });

  it("waits, too, for a node of its cluster that says that it works on what was sent here", async () => {
    const scene = new Scene({}, INTRODUCTION);
    scene.lane = "BUSY";
    const slow = scene.ask("slow");
    await scene.network.pass(29000);
    assertEquals([slow.outcome, scene.pings], [undefined, 0]);
    await scene.network.pass(2000);
    assertEquals([slow.outcome, slow.afterMs], ["in doubt", 30000]);
    scene.peer.close();
  });

  it("cuts no answer that comes slowly", async () => {
    const scene = new Scene({ replyTimeoutMs: 6000 });
    let body = "";
    const listing = scene.peer.request(fromLatin1("keys\r\n"), ReplyShape.lines).then((reply) => {
      body = new TextDecoder().decode(reply.body);
    });
    await scene.network.pass(10);
    for (let number = 0; number < 10; number++) {
      scene.connections[0]?.send(`KEY ${number}\r\n`);
      await scene.network.pass(4000);
    }
    scene.connections[0]?.send("END\r\n");
    await scene.network.settle();
    await listing;
    assertEquals(body.split("\r\n").length, 11);
    scene.peer.close();
  });

  it("gives a request up that makes the node end its connection again and again", async () => {
    const scene = new Scene();
    const poison = scene.repeat("poison", []);
    let ended = 0;
    for (let at = 0; poison.outcome === undefined && at < 20; at++) {
      await scene.network.pass(400);
      for (const far of scene.connections.splice(0)) {
        far.close();
        ended++;
      }
    }
    await scene.network.settle();
    assertEquals([poison.outcome, ended], ["in doubt", 3]);
    scene.peer.close();
  });
});

describe("a repeated request with a form for nodes with the meta commands, and one for others", () => {
  const ALL = { plain: "P\r\n", meta: "M\r\n", before: "B\r\n", after: "A\r\n" };

  for (const [node, probe, form] of [
    ["has them", "MN\r\n", "meta"],
    ["has not", "ERROR\r\n", "plain"],
  ] as const) {
    it(`keeps its place in the queue to a node that ${node}, and is asked about once`, async () => {
      const scene = new Scene();
      scene.answers = { ...ALL, mn: probe };
      const before = scene.repeat("before", []);
      const first = scene.repeat("plain", [], "meta");
      const after = scene.repeat("after", []);
      const second = scene.repeat("plain", [], "meta");
      await scene.network.settle();
      assertEquals(scene.requests, ["before", "mn", form, "after", form]);
      const answer = form === "meta" ? "M" : "P";
      assertEquals([before.outcome, first.outcome, after.outcome, second.outcome], ["B", answer, "A", answer]);
      scene.peer.close();
    });
  }

  it("gets the other form when its connection breaks and another node answers at the address", async () => {
    const scene = new Scene();
    scene.answers = { mn: "ERROR\r\n" };
    const request = scene.repeat("plain", [], "meta");
    await scene.network.settle();
    assertEquals(scene.requests, ["mn", "plain"]);
    scene.answers = { ...ALL, mn: "MN\r\n" };
    for (const far of scene.connections.splice(0)) far.close();
    await scene.network.pass(600);
    assertEquals([scene.requests, request.outcome], [["mn", "plain", "mn", "meta"], "M"]);
    scene.peer.close();
  });

  it("fails at a node that cannot get it, and only there", async () => {
    const scene = new Scene();
    scene.answers = { ...ALL, mn: "ERROR\r\n" };
    const meta = { bytes: fromLatin1("meta\r\n"), shape: ReplyShape.line };
    const refused = scene.peer.repeat({ meta, plain: undefined }, () => undefined).catch((error: PeerError) => error.code);
    const after = scene.repeat("after", []);
    await scene.network.settle();
    assertEquals([await refused, after.outcome, scene.requests], ["UNSUPPORTED", "A", ["mn", "after"]]);
    scene.peer.close();
  });
});

describe("a lane to a node whose address another one has", () => {
  it("takes no answer of that one, has the name resolved again, and goes on when the right one is there", async () => {
    const scene = new Scene({}, INTRODUCTION);
    const doubted: string[] = [];
    scene.network.doubt = (host) => void doubted.push(host);
    scene.lane = "IDLE";
    scene.stranger = "m:7";
    scene.answers = { a: "A\r\n", b: "B\r\n" };
    const [asked, delays] = [scene.ask("a"), [] as string[]];
    const repeated = scene.repeat("b", delays);
    await scene.network.pass(100);
    assertEquals([asked.outcome, repeated.outcome, doubted], ["in doubt", undefined, ["n"]]);
    scene.stranger = undefined;
    await scene.network.pass(1000);
    assertEquals([repeated.outcome, scene.ask("a").outcome, scene.connections.length], ["B", undefined, 2]);
    scene.peer.close();
  });
});

describe("a lane to a node that is there and works on nothing that was sent", () => {
  it("gives its connection up within the silence timeout, and opens another one", async () => {
    const scene = new Scene({}, INTRODUCTION);
    scene.lane = "IDLE";
    const lost = scene.ask("lost");
    const repeated = scene.repeat("repeated", []);
    await scene.network.pass(4900);
    assertEquals([lost.outcome, scene.connections.length], [undefined, 2]);
    scene.answers = { repeated: "R\r\n", next: "N\r\n" };
    await scene.network.pass(200);
    assertEquals([lost.outcome, repeated.outcome], ["in doubt", undefined]);
    await scene.network.pass(600);
    const next = scene.ask("next");
    await scene.network.settle();
    assertEquals([repeated.outcome, next.outcome], ["R", "N"]);
    scene.peer.close();
  });

  it("keeps it when an answer comes after the first question, or the node has begun to work", async () => {
    const scene = new Scene({}, INTRODUCTION);
    scene.lane = "IDLE";
    const [first, second] = [scene.ask("first"), scene.ask("second")];
    await scene.network.pass(2600);
    scene.connections[0]?.send("A\r\n");
    await scene.network.pass(4000);
    assertEquals([first.outcome, second.outcome], ["A", undefined]);
    scene.lane = "BUSY";
    await scene.network.pass(3000);
    scene.lane = "IDLE";
    await scene.network.pass(2000);
    scene.connections[0]?.send("B\r\n");
    await scene.network.settle();
    assertEquals(second.outcome, "B");
    scene.peer.close();
  });

  it("opens another connection when the first line of one is not answered", async () => {
    const scene = new Scene({}, INTRODUCTION);
    scene.lane = "OK";
    const { onConnect } = scene.network;
    scene.network.onConnect = (key, far) => {
      onConnect(key, far);
      if (scene.connections.length === 1) far.onReceived = () => undefined;
    };
    const lost = scene.ask("lost");
    await scene.network.pass(5100);
    assertEquals(lost.outcome, "in doubt");
    scene.peer.close();
  });
});

describe("a connection without requests", () => {
  it("is tried out, and replaced when the network has forgotten it", async () => {
    const scene = new Scene();
    scene.answers = { a: "A\r\n" };
    scene.ask("a");
    await scene.network.pass(10);
    await scene.network.pass(60000);
    assertEquals(scene.connections.length, 1);
    assert(scene.pings >= 5 && scene.pings <= 6, `${scene.pings} pings`);
    // Packets of this one connection are dropped; another one can be opened.
    const [forgotten] = scene.connections;
    if (forgotten !== undefined) forgotten.onReceived = () => undefined;
    await scene.network.pass(16000);
    const late = scene.ask("a");
    await scene.network.settle();
    assertEquals([late.outcome, late.afterMs], ["A", 0]);
    scene.peer.close();
  });

  it("is left alone where nobody said how long silence may last", async () => {
    const network = new PlayedNetwork();
    const peer = new Peer(network.runtime, { host: "n", port: 1 }, 16, new WorkerRegistry(), {
      connectTimeoutMs: 2000,
      replyTimeoutMs: 30000,
      queueBytesMax: 1000,
      replyBytesMax: 1000,
    });
    let received = "";
    network.onConnect = (_key, far) => {
      far.onReceived = () => {
        received += far.received;
        far.received = "";
        far.send("A\r\n");
      };
    };
    void peer.request(fromLatin1("a\r\n"), ReplyShape.line);
    await network.pass(600000);
    assertEquals(received, "a\r\n");
    peer.close();
  });
});

/** Notes what comes of it. */
class NotingRequest extends PassedRequest {
  readonly shape = ReplyShape.values;
  readonly outcomes: string[];

  constructor(outcomes: string[], needs?: PeerFeature) {
    super();
    this.outcomes = outcomes;
    this.needs = needs;
  }

  answer({ bytes, start, end }: FoundReply): void {
    this.outcomes.push(latin1(bytes, start, end));
  }

  reject(error: PeerError): void {
    const key = latin1(this.bytes, this.keyStart, this.keyEnd);
    this.outcomes.push(`${key} ${error.mayHaveHappened ? "in doubt" : "not sent"}`);
  }
}

describe("a lane to which requests are passed on", () => {
  const pass = (scene: Scene, key: string, outcomes: string[], needs?: PeerFeature): void => {
    const bytes = fromLatin1(key);
    scene.peer.outbox.writeGet(Command.get, { bytes, start: 0, end: bytes.length });
    scene.peer.pass(new NotingRequest(outcomes, needs));
  };

  it("sends them in order with all others, and gives their answers as they came", async () => {
    const scene = new Scene();
    scene.answers = { "get a": "VALUE a 0 1\r\nx\r\nEND\r\n", "get b": "END\r\n", c: "C\r\n", "get d": "END\r\n" };
    const outcomes: string[] = [];
    pass(scene, "a", outcomes);
    pass(scene, "b", outcomes);
    const between = scene.ask("c");
    pass(scene, "d", outcomes);
    assertEquals(scene.peer.queue, 4);
    await scene.network.pass(10);
    assertEquals(scene.requests, ["get a", "get b", "c", "get d"]);
    assertEquals([outcomes, between.outcome], [["VALUE a 0 1\r\nx\r\nEND\r\n", "END\r\n", "END\r\n"], "C"]);
    scene.peer.close();
  });

  it("says what was sent when it breaks, and what was not, at once if it has no room or is closed", async () => {
    const scene = new Scene({ queueBytesMax: 20 });
    const outcomes: string[] = [];
    for (const key of ["a", "b", "c"]) pass(scene, key, outcomes);
    assertEquals(outcomes, ["c not sent"]);
    await scene.network.pass(10);
    pass(scene, "d", outcomes);
    scene.peer.close();
    pass(scene, "e", outcomes);
    assertEquals(outcomes.slice(1), ["a in doubt", "b in doubt", "d not sent", "e not sent"]);
  });

  it("forwards only to a node that takes it, asked once on each connection, and announces every change first", async () => {
    let version = fromLatin1("<s:1>forward 1\r\n");
    const scene = new Scene({}, { nodeKey: "s:1", forwardLine: () => version });
    scene.answers = { "<s:1>forward 1": "OK.\r\n", "<s:1>forward 2": "OK.\r\n", "get a": "END\r\n" };
    assertEquals(scene.peer.knowsForward, undefined);
    const answers = Promise.all([scene.peer.takesForwards(), scene.peer.takesForwards()]);
    await scene.network.pass(10);
    // The scene takes a bare OK for the answer to a ping.
    assertEquals([await answers, scene.requests], [[false, false], ["<s:1>forward 1"]]);
    const outcomes: string[] = [];
    pass(scene, "a", outcomes, "forward");
    await scene.network.pass(10);
    assertEquals([outcomes, scene.requests.length], [["a not sent"], 1]);
    scene.peer.close();

    const taking = new Scene({}, { nodeKey: "s:1", forwardLine: () => version });
    taking.answers = { "<s:1>forward 1": "OK\r\n", "<s:1>forward 2": "OK\r\n", "get a": "END\r\n", "get b": "END\r\n" };
    const isTaken = taking.peer.takesForwards();
    await taking.network.pass(10);
    assertEquals([await isTaken, taking.peer.knowsForward], [true, true]);
    pass(taking, "a", outcomes, "forward");
    await taking.network.pass(10);
    version = fromLatin1("<s:1>forward 2\r\n");
    taking.answers["<s:1>forward 2"] = "OK\r\n";
    const received: string[] = [];
    const [far] = taking.connections;
    const before = far?.onReceived;
    if (far !== undefined) {
      far.onReceived = () => {
        received.push(far.received);
        before?.();
      };
    }
    pass(taking, "a", outcomes, "forward");
    pass(taking, "b", outcomes, "forward");
    await taking.network.pass(10);
    assertEquals(received.join(""), "<s:1>forward 2\r\nget a\r\nget b\r\n");
    assertEquals(outcomes.slice(1), ["END\r\n", "END\r\n", "END\r\n"]);
    taking.peer.kill();
    assertEquals(taking.peer.knowsForward, undefined);
    taking.peer.close();
  });

  it("forwards nothing without an announcement", async () => {
    const scene = new Scene();
    assertEquals([scene.peer.knowsForward, await scene.peer.takesForwards(), scene.requests], [false, false, []]);
    scene.peer.close();
  });
});
