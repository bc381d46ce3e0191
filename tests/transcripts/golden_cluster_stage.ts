/**
 * One server of ours among the others of a recorded cluster, which are played from the recording: what they sent is
 * sent, what the server sends is compared byte for byte. Per key the order counts, not which of two parallel
 * connections was used; a server that does not wait for one reply before the next request is as good as one that does.
 */

import { assert, assertEquals } from "@std/assert";
import { MemoryLevel } from "memory-level";
import type { ClusterNode } from "../../lib/cluster/node.ts";
import { createNodeMap } from "../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../lib/cluster/node_map_codec.ts";
import { indexServerOptions } from "../../lib/index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../../lib/index_server/index_server.ts";
import { MemoryCoordinator } from "../../lib/index_server/memory_coordinator.ts";
import { RunningNode } from "../../lib/node_server/node_server.ts";
import type { IndexServerOptions, NodeServerOptions } from "../../mod.ts";
import { type FarEnd, PlayedNetwork } from "../support/played_network.ts";
import { cutRequest, STORING_WORDS } from "../support/request_stream.ts";
import { asOursJoins } from "./our_joins.ts";

export interface Message {
  readonly conn: number;
  readonly from: string;
  readonly to: string;
  /** `close` and `pass` are not recorded: a connection of ours is closed, time passes. */
  readonly event?: "connect" | "close" | "pass";
  readonly ms?: number;
  readonly data?: string;
}

export interface Scenario {
  readonly name: string;
  readonly topology: Readonly<Record<string, string>>;
  readonly messages: readonly Message[];
}

/** What is done before a scenario because the recording does not show it. Roles are those of the topology. */
export interface Prelude {
  /** A map pushed to a node of ours: `<version>: <role> <role> <state> <partition> <balance> <thread_type>, …`. */
  readonly map?: string;
  /** Commands an index server of ours gets, and has carried out, before. */
  readonly say?: readonly string[];
  /** The operator's command that sets off the scenario. */
  readonly command?: string;
  /** What a client stores in a node of ours, by its role. */
  readonly load?: Readonly<Record<string, string>>;
  /** Hosts that are gone, hosts that are there again, hosts that accept and never answer. */
  readonly kill?: readonly string[];
  readonly revive?: readonly string[];
  readonly hang?: readonly string[];
  /** Time that passes. */
  readonly passMs?: number;
  /** The wall clock, in seconds. */
  readonly second?: number;
  /** Settings of our nodes, by role. */
  readonly reload?: Readonly<Record<string, Partial<NodeServerOptions>>>;
  /** Settings a node of ours starts with from now on, by its role. */
  readonly options?: Readonly<Record<string, Partial<NodeServerOptions>>>;
  /** The index server starts again, with or without what it knew. */
  readonly restartIndex?: "kept" | "lost";
  /** Which number of `random` leads to which reader. */
  readonly draws?: Readonly<Record<string, number>>;
  /** Our nodes that stop when the scenario begins. */
  readonly stop?: readonly string[];
  /** A reply must not come before the replies it waits for: nobody may have heard anything that is not recorded yet. */
  readonly waits?: boolean;
  /** Nobody gets the map before those who come first have answered. */
  readonly ordered?: boolean;
  /** Keys share connections exactly as recorded. */
  readonly lanes?: boolean;
  /** The server of ours does not get as far as serving. */
  readonly fails?: boolean;
  /** Servers that are not there, or do nothing, in the recording. */
  readonly without?: readonly string[];
  /** What a copy of ours that is under way got before, by its role. */
  readonly dumped?: Readonly<Record<string, string>>;
}

/** Where ours says something else than the recording, and why. */
export interface Deviation {
  readonly reason: string;
  /** The conversation as we have it, in place of the recorded one. */
  readonly messages?: readonly Message[];
  /** Requests of ours that are not recorded, at any moment, once or again: `<host> <line>|<line>`. */
  readonly extra?: readonly string[];
}

/** Scenarios that continue one cluster. */
export interface Group {
  readonly first: string;
  readonly last: string;
  /** The node map before the first scenario; see `Prelude.map`. */
  readonly map: string;
  /** That of a node that belongs to another cluster, by its role. */
  readonly maps?: Readonly<Record<string, string>>;
  /** What a node has stored before, by its role: sent to it while it is alone. */
  readonly load?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, Partial<NodeServerOptions>>>;
  /** The roles ours takes one after the other; by default all of the topologies. */
  readonly roles?: readonly string[];
  readonly preludes?: Readonly<Record<string, Prelude>>;
  /** By scenario, or `scenario/role`. */
  readonly deviations?: Readonly<Record<string, Deviation>>;
}

const WORDS =
  "set|add|replace|append|prepend|cas|incr|decr|delete|touch|gat|gets?|keys|dump|node|meta|ping|shutdown|stats|flush_all";
const REQUEST = new RegExp(`^(?:<[^>]*>)?(?:${WORDS}) ?`);
const STATS = "stats\r\n";
const META_NOOP = "mn\r\n";
const NODE_FLUSH = "node flush";
const ONLY_OURS = /^<[^>]*>(?:stream|forward|lane) |^lane meet |^node yield |^dump .* deletions\r\n$/;
const META =
  "META partition-size 1024\r\nMETA key-hash-algorithm simple\r\nMETA partition-type modular\r\n" +
  "META partition-modular-hint 1\r\nMETA partition-modular-virtual 4096\r\nEND\r\n";
/** Time that may pass until something recorded happens, and time in which nothing unrecorded may happen. */
const WAIT_MS = 30000;
const SILENCE_MS = 50;

/** A request of ours to a played host. */
interface Request {
  readonly text: string;
  readonly link: OutgoingLink;
  expected: boolean;
  reply: string | undefined;
}

/** A connection our server opened. */
interface OutgoingLink {
  readonly far: FarEnd;
  partial: string;
  /** Those that want a reply, in order. */
  readonly unanswered: Request[];
}

/** A connection of the scenario under way. */
interface Conn {
  readonly theirs: boolean;
  readonly host: string;
  readonly far: FarEnd | undefined;
  /** Replies of ours that are due; the recording shows replies that followed one another as one. */
  due: string;
  /** Requests of ours on it that were expected and not answered yet. */
  readonly asked: Request[];
  readonly keys: Map<string, OutgoingLink>;
}

export class Stage {
  readonly #role: string;
  readonly #group: Group;
  readonly #topology: Readonly<Record<string, string>>;
  readonly #network = new PlayedNetwork();
  readonly #engine = new MemoryLevel<Uint8Array, Uint8Array>({
    keyEncoding: "view",
    valueEncoding: "view",
    storeEncoding: "view",
  });
  /** Requests of ours nobody expected yet, by host. */
  readonly #requests = new Map<string, Request[]>();
  /** Connections other servers keep to ours, by host. */
  readonly #kept = new Map<string, FarEnd[]>();
  readonly #hung = new Set<string>();
  /** Requests that may come beyond the recorded ones, whether they have, and the recorded answers of their hosts. */
  readonly #extra = new Map<string, boolean>();
  readonly #seen = new Map<string, number>();
  #recorded: readonly Message[] = [];
  /** Replies of a host to pings beyond the recorded ones, and how many recorded ones are still to come. */
  readonly #pings = new Map<string, { left: number; answer: string }>();
  #coordinator = new MemoryCoordinator();
  #server: RunningIndex | RunningNode | undefined;
  #starting: Promise<RunningNode> | undefined;
  readonly #links: (OutgoingLink & { role: string })[] = [];
  #map: string;
  #options: Partial<NodeServerOptions>;
  /** What a node of ours hears when it joins. */
  #joinMap: string;
  #loaded = false;

  constructor(role: string, group: Group, topology: Readonly<Record<string, string>>) {
    this.#role = role;
    this.#group = group;
    this.#topology = topology;
    this.#map = group.maps?.[role] ?? group.map;
    this.#joinMap = this.#map;
    this.#options = group.options?.[role] ?? {};
    this.#network.clock.offsetMs = 1_795_355_400_000;
    this.#network.onConnect = (key, far) => this.#connected(this.#roleAt(key), far);
  }

  async play(scenario: Scenario): Promise<void> {
    const deviation = this.#group.deviations?.[`${scenario.name}/${this.#role}`] ?? this.#group.deviations?.[scenario.name];
    const prelude = this.#group.preludes?.[scenario.name] ?? {};
    const messages = asOursJoins(deviation?.messages ?? scenario.messages, this.#role, META, prelude.fails === true);
    const joins = messages.find(({ from, data }) => from === this.#role && data === "meta\r\n");
    await this.#prepare(prelude, joins !== undefined);
    this.#recorded = messages;
    for (const extra of deviation?.extra ?? []) this.#extra.set(extra, false);
    this.#countPings(messages);
    this.#chooseReaders(messages, prelude);
    const conns = this.#connsOf(messages);
    if (joins !== undefined) await this.#restartNode();
    const stopping = prelude.stop?.includes(this.#role) === true ? this.#stopNode(true) : undefined;
    const script = [...messages];
    for (let message = script.shift(); message !== undefined; message = script.shift()) {
      if (message.to === this.#role) await this.#say(message, conns, prelude);
      else if (message.from === this.#role && message.data !== undefined) await this.#expect(message, conns, script);
    }
    await this.#network.passUntil(() => {
      for (const conn of conns.values()) takeDue(conn);
      return [...conns.values()].every(({ due }) => due === "");
    }, WAIT_MS);
    await this.#network.pass(SILENCE_MS);
    if (prelude.lanes === true) assertLanes(conns);
    this.#assertSilence(conns);
    if (prelude.fails === true) await this.#assertFailed(messages.at(-1)?.data ?? "");
    else if (joins !== undefined) this.#server = await this.#starting;
    if (stopping !== undefined) await this.#passUntilEnd(stopping);
    for (const conn of conns.values()) if (conn.host === "client") conn.far?.close();
    this.#pings.clear();
    await this.#network.settle();
  }

  async close(): Promise<void> {
    await this.#stopNode(false);
  }

  // ----------------------------------------------------------------------------------------------- before a scenario

  async #prepare(prelude: Prelude, joins: boolean): Promise<void> {
    for (const role of prelude.kill ?? []) this.#kill(role);
    for (const role of prelude.hang ?? []) this.#hung.add(role);
    if (prelude.second !== undefined) this.#setSecond(prelude.second);
    if (this.#role.endsWith("index")) await this.#prepareIndex(prelude);
    else await this.#prepareNode(prelude, joins);
    for (const role of prelude.revive ?? []) this.#network.unreachable.delete(this.#address(role));
  }

  async #prepareIndex(prelude: Prelude): Promise<void> {
    if (prelude.restartIndex !== undefined) {
      await this.#network.settle();
      await (this.#server as RunningIndex).stop();
      this.#server = undefined;
      if (prelude.restartIndex === "lost") this.#coordinator = new MemoryCoordinator();
      await this.#startIndex();
    } else if (this.#server === undefined) {
      this.#coordinator = new MemoryCoordinator(this.#nodeMap());
      await this.#startIndex();
      // An index server that starts tells every node what it knows, once the node has answered.
      await this.#pass(1500);
    }
    for (const command of prelude.say ?? []) await this.#order(command);
    if (prelude.passMs !== undefined) await this.#pass(prelude.passMs);
    this.#absorb();
    if (prelude.command === undefined) return;
    this.#network.dial(this.#address(this.#role), "client").send(`${prelude.command}\r\n`);
  }

  /** Gives a command to our index server and has it carried out. */
  async #order(command: string): Promise<void> {
    const far = this.#network.dial(this.#address(this.#role), "client");
    far.send(`${command}\r\n`);
    const done = await this.#network.passUntil(() => {
      this.#absorb();
      return /^(?:NODE .*\r\n)*(?:OK|END)\r\n$/.test(far.received);
    }, WAIT_MS);
    assert(done, `"${command}" was answered "${far.received}"`);
    far.close();
    await this.#network.settle();
    this.#absorb();
  }

  async #pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 100) {
      await this.#network.pass(100);
      this.#absorb();
    }
  }

  async #prepareNode(prelude: Prelude, joins: boolean): Promise<void> {
    const load = this.#loaded ? undefined : this.#group.load?.[this.#role];
    this.#loaded = true;
    const { map } = prelude;
    if (this.#server === undefined && load !== undefined) {
      await this.#startNode(`1: ${this.#role} 0 0 0 1 16`);
      await this.#store(load);
      if (!joins && map === undefined) await this.#push(this.#map);
    } else if (this.#server === undefined && !joins) {
      await this.#startNode(this.#map);
    }
    if (map !== undefined && !joins) await this.#push(map);
    const dumped = prelude.dumped?.[this.#role];
    if (dumped !== undefined) this.#goOnDumping(undefined, dumped);
    this.#options = { ...this.#options, ...prelude.options?.[this.#role] };
    const stored = prelude.load?.[this.#role];
    if (stored !== undefined) await this.#store(stored);
    const given = prelude.reload?.[this.#role];
    if (given !== undefined) {
      const node = this.#server as RunningNode;
      node.reload({ ...node.options, ...given });
    }
    if (prelude.passMs !== undefined) await this.#pass(prelude.passMs);
  }

  /** Sends what a client would to store something. */
  async #store(text: string): Promise<void> {
    const far = this.#network.dial(this.#address(this.#role), "client");
    far.send(text);
    far.send("ping\r\n");
    await this.#network.passUntil(() => far.received.endsWith("OK\r\n"), WAIT_MS);
    assert(/^(?:STORED\r\n|DELETED\r\n)*OK\r\n$/.test(far.received), far.received);
    far.close();
    this.#absorb();
  }

  async #push(map: string): Promise<void> {
    const far = this.#keptBy("index", 0);
    far.send(`node sync ${map.slice(0, map.indexOf(":"))}\r\n${this.#nodeLines(map)}END\r\n`);
    assert(await this.#network.passUntil(() => far.received === "OK\r\n", WAIT_MS), far.received);
    far.received = "";
    await this.#network.settle();
    this.#absorb();
  }

  async #startIndex(): Promise<void> {
    const [host, port] = this.#address(this.#role).split(":");
    const options: Partial<IndexServerOptions> = {
      indexDb: "memory://",
      serverName: host ?? "",
      bind: host ?? "",
      serverPort: Number(port),
      monitorIntervalMs: 1000,
      monitorThreshold: 3,
      monitorReadTimeoutMs: 1000,
    };
    this.#server = await startIndexServer(this.#network.runtime, indexServerOptions(options), this.#coordinator);
  }

  /** Starts our node; an index server that knows `map` is played until it serves. */
  async #startNode(map: string): Promise<void> {
    this.#joinMap = map;
    const starting = this.#beginNode();
    let node: RunningNode | undefined;
    void starting.then((started) => {
      node = started;
    });
    await this.#network.passUntil(() => {
      this.#absorb();
      return node !== undefined;
    }, WAIT_MS);
    this.#server = await starting;
  }

  #beginNode(): Promise<RunningNode> {
    const index = this.#topology.index ?? this.#topology["fake-index"] ?? "127.0.0.1:22440";
    const [host = "", port] = this.#address(this.#role).split(":");
    const [indexHost = "", indexPort] = index.split(":");
    return RunningNode.start(
      this.#network.runtime,
      {
        serverName: host,
        bind: host,
        serverPort: Number(port),
        storageType: "memory",
        proxyConcurrency: 2,
        indexServers: [{ host: indexHost, port: Number(indexPort) }],
        ...this.#options,
      },
      { engine: this.#engine },
    );
  }

  /** Starts our node, which may run already; the scenario plays the index server. */
  async #restartNode(): Promise<void> {
    await this.#stopNode(false);
    for (const requests of this.#requests.values()) requests.length = 0;
    this.#starting = this.#beginNode();
    this.#starting.catch(() => undefined);
  }

  async #stopNode(announce: boolean): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const stopping = server instanceof RunningNode ? server.stop({ announce }) : server.stop();
    await (announce ? stopping : this.#passUntilEnd(stopping));
  }

  /** Lets time pass until something has ended. */
  async #passUntilEnd(ending: Promise<void>): Promise<void> {
    let ended = false;
    const end = ending.finally(() => {
      ended = true;
    });
    await this.#network.passUntil(() => ended, WAIT_MS);
    await end;
  }

  #kill(role: string): void {
    this.#network.unreachable.add(this.#address(role));
    for (const far of this.#kept.get(role) ?? []) far.close();
    this.#kept.delete(role);
    for (const link of this.#links.filter((each) => each.role === role)) link.far.close();
  }

  #setSecond(second: number): void {
    this.#network.clock.offsetMs = second * 1000 - this.#network.clock.monotonicMs();
  }

  /** Answers what our server has asked so far, as any host would. */
  #absorb(): void {
    for (const [host, requests] of this.#requests) {
      for (const request of requests.splice(0)) {
        request.expected = true;
        if (!this.#hung.has(host) && !request.text.startsWith("dump")) this.#answer(request, this.#ordinaryReply(request.text));
      }
    }
  }

  #ordinaryReply(text: string): string {
    const [word] = text.replace(/^<[^>]*>/, "").split(/ |\r/);
    if (text.startsWith("node add")) return `${this.#nodeLines(this.#joinMap)}END\r\n`;
    if (word === "meta") return META;
    if (word === "delete") return "DELETED\r\n";
    if (word === "touch") return "TOUCHED\r\n";
    if (word === "get") return "END\r\n";
    // Before a slave of ours drops what it has for a copy, it asks its master for some of it.
    if (word === "gets") return `VALUE ${text.slice(5).trimEnd()} 0 2 9\r\nv9\r\nEND\r\n`;
    return STORING_WORDS.has(word ?? "") ? "STORED\r\n" : "OK\r\n";
  }

  // ---------------------------------------------------------------------------------------------------- the scenario

  #connsOf(messages: readonly Message[]): Map<number, Conn> {
    const conns = new Map<number, Conn>();
    const ordinals = new Map<string, number>();
    for (const message of messages) {
      if (conns.has(message.conn) || (message.from !== this.#role && message.to !== this.#role)) continue;
      const begins = message.event === "connect" || REQUEST.test(message.data ?? "") || message.data?.charCodeAt(0) === 0x80;
      const opener = begins ? message.from : message.to;
      const theirs = opener !== this.#role;
      const host = message.from === this.#role ? message.to : message.from;
      // What was opened before the scenario is found, or opened, now: the order of the connections is that of the recording.
      let far: FarEnd | undefined;
      if (theirs && message.event !== "connect") {
        const ordinal = ordinals.get(host) ?? 0;
        ordinals.set(host, ordinal + 1);
        far = host === "client" ? this.#network.dial(this.#address(this.#role), host) : this.#keptBy(host, ordinal);
      }
      conns.set(message.conn, { theirs, host, far, due: "", asked: [], keys: new Map() });
    }
    return conns;
  }

  /** Does what another host did. */
  async #say(message: Message, conns: Map<number, Conn>, prelude: Prelude): Promise<void> {
    const conn = conns.get(message.conn) as Conn;
    await this.#network.settle();
    if (prelude.ordered === true) assertEquals(this.#unexpected(), [], "told too early");
    if (prelude.waits === true) {
      for (const each of conns.values()) assertEquals(each.far?.received ?? "", "", "said too early");
    }
    if (message.event === "connect") {
      const far = this.#network.dial(this.#address(this.#role), this.#topology[message.from] ?? message.from);
      if (message.from !== "client") this.#kept.set(message.from, [...(this.#kept.get(message.from) ?? []), far]);
      conns.set(message.conn, { ...conn, far });
      return;
    }
    if (message.event === "pass") return this.#network.pass(message.ms ?? 0);
    const data = message.data ?? "";
    if (conn.theirs) {
      conn.far?.send(data);
      return;
    }
    const request = conn.asked[0];
    if (message.event === "close") {
      assert(request !== undefined);
      request.link.far.close();
      return;
    }
    if (request === undefined) {
      this.#goOnDumping(message.from, data);
      return;
    }
    conn.asked.shift();
    this.#answer(request, data);
  }

  /** Sends more of a dump that began before the scenario. */
  #goOnDumping(source: string | undefined, data: string): void {
    const isDump = ({ role, unanswered }: { role: string; unanswered: readonly Request[] }): boolean =>
      (source === undefined || role === source) && unanswered[0]?.text.startsWith("dump") === true;
    const dump = this.#links.find(isDump);
    assert(dump !== undefined, `nothing was asked that could be answered with ${JSON.stringify(data)}`);
    dump.far.send(data);
  }

  /** Waits for what the recorded server sent. */
  async #expect(message: Message, conns: Map<number, Conn>, script: Message[]): Promise<void> {
    const conn = conns.get(message.conn) as Conn;
    const data = message.data ?? "";
    if (conn.theirs) {
      conn.due += data;
      await this.#network.settle();
      takeDue(conn);
      return;
    }
    for (let rest = data; rest !== ""; ) {
      const text = cutRequest(rest);
      assert(text !== undefined, `recorded request is not whole: ${JSON.stringify(rest)}`);
      rest = rest.slice(text.length);
      const key = orderOf(text);
      const next = (): Request | undefined =>
        this.#waitingAt(message.to).find((each) => !each.expected && orderOf(each.text) === key);
      await this.#network.settle();
      while (next() === undefined && this.#hurry(conns, script)) await this.#network.settle();
      await this.#network.passUntil(() => next() !== undefined, WAIT_MS);
      const request = next();
      assertEquals(request?.text, text, `to "${message.to}"`);
      assert(request !== undefined);
      request.expected = true;
      conn.keys.set(key, request.link);
      if (wantsReply(text)) conn.asked.push(request);
    }
  }

  /**
   * An index server of ours waits for answers in another order than the recorded one: plays ahead what has come already,
   * requests and their answers. False when there is nothing.
   */
  #hurry(conns: Map<number, Conn>, script: Message[]): boolean {
    if (!this.#role.endsWith("index")) return false;
    let hurried = false;
    for (const message of [...script]) {
      const conn = conns.get(message.conn);
      if (conn === undefined || conn.theirs || message.data === undefined) continue;
      const asked = conn.asked[0];
      const request = this.#waitingAt(message.to).find((each) => !each.expected && each.text === message.data);
      if (message.from === this.#role && request !== undefined) {
        request.expected = true;
        conn.asked.push(request);
      } else if (message.to === this.#role && asked !== undefined) {
        this.#answer(asked, message.data);
        conn.asked.shift();
      } else continue;
      script.splice(script.indexOf(message), 1);
      hurried = true;
    }
    return hurried;
  }

  #assertSilence(conns: Map<number, Conn>): void {
    for (const { far, host, due } of conns.values()) assertEquals(far?.received ?? "", due, `to "${host}"`);
    assertEquals(this.#unexpected(), [], "not recorded");
    this.#requests.clear();
    for (const [extra, came] of this.#extra) assert(came, `"${extra}" is listed and did not come`);
    this.#extra.clear();
    this.#seen.clear();
  }

  /** Requests of ours nobody expected yet. */
  #unexpected(): string[] {
    const requests = [...this.#requests.values()].flat();
    return requests.filter(({ expected }) => !expected).map(({ text }) => text);
  }

  /** The server of ours gives up, whatever often it hears the same answer again. */
  async #assertFailed(answer: string): Promise<void> {
    let outcome = "";
    this.#starting?.then(
      () => {
        outcome = "serves";
      },
      () => {
        outcome = "gave up";
      },
    );
    await this.#network.passUntil(() => {
      for (const requests of this.#requests.values()) for (const request of requests.splice(0)) this.#answer(request, answer);
      return outcome !== "";
    }, 4 * WAIT_MS);
    assertEquals(outcome, "gave up");
  }

  // --------------------------------------------------------------------------------------- connections of our server

  #connected(role: string, far: FarEnd): void {
    const link = { role, far, partial: "", unanswered: [] };
    this.#links.push(link);
    far.onReceived = () => {
      link.partial += far.received;
      far.received = "";
      this.#readRequests(role, link);
    };
  }

  #readRequests(role: string, link: OutgoingLink): void {
    for (;;) {
      const cut = cutRequest(link.partial);
      if (cut === undefined) return;
      link.partial = link.partial.slice(cut.length);
      // A copy of ours says who asks, so that another node of ours may answer with keys no line of text can hold.
      const text = cut.replace(/^<[^>]*>dump /, "dump ");
      const request: Request = { text, link, expected: false, reply: undefined };
      if (wantsReply(text)) link.unanswered.push(request);
      if (text === "ping\r\n" && this.#answersPing(role, request)) continue;
      if (text === STATS) {
        // A copy of ours asks how much there is to come; the original does not.
        this.#answer(request, "STAT curr_items 3\r\nEND\r\n");
        continue;
      }
      if (text === META_NOOP || text.startsWith(NODE_FLUSH) || ONLY_OURS.test(text)) {
        // Before it says what only its own kind understands, ours asks; the recorded servers know none of it.
        this.#answer(request, "ERROR\r\n");
        continue;
      }
      const name = `${role} ${text.trimEnd().replaceAll("\r\n", "|")}`;
      if (this.#extra.has(name) && this.#isExtra(role, text)) {
        this.#extra.set(name, true);
        this.#answer(request, this.#refusalOf(role) ?? this.#ordinaryReply(text));
        continue;
      }
      this.#requests.set(role, [...this.#waitingAt(role), request]);
    }
  }

  /** The refusal a host is recorded with: it refuses the same again. */
  #refusalOf(role: string): string | undefined {
    return this.#recorded.find(({ from, to, data }) => from === role && to === this.#role && data?.startsWith("SERVER_ERROR"))
      ?.data;
  }

  /** Whether a request is one more than the recording has. */
  #isExtra(role: string, text: string): boolean {
    const recorded = this.#recorded.filter(({ from, to, data }) => from === this.#role && to === role && data === text).length;
    const name = `${role} ${text}`;
    const seen = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, seen);
    return seen > recorded;
  }

  /** Pings beyond the recorded ones get their answer at once. */
  #answersPing(role: string, request: Request): boolean {
    if (this.#hung.has(role)) return true;
    const pings = this.#pings.get(role);
    if (pings !== undefined && pings.left > 0) {
      pings.left--;
      return false;
    }
    this.#answer(request, pings?.answer ?? "OK\r\n");
    return true;
  }

  /** A reply leaves when all before it on its connection have left. */
  #answer(request: Request, reply: string): void {
    request.reply = reply;
    const { unanswered, far } = request.link;
    while (unanswered[0]?.reply !== undefined) far.send(unanswered.shift()?.reply ?? "");
  }

  #waitingAt(host: string): Request[] {
    return this.#requests.get(host) ?? [];
  }

  #countPings(messages: readonly Message[]): void {
    for (const { from, to, data } of messages) {
      if (from !== this.#role || data !== "ping\r\n") continue;
      const pings = this.#pings.get(to) ?? { left: 0, answer: "OK\r\n" };
      pings.left++;
      this.#pings.set(to, pings);
    }
    for (const [host, pings] of this.#pings) {
      const answers = messages.filter(({ from, to, data }) => from === host && to === this.#role && data !== undefined);
      pings.answer = answers.at(-1)?.data ?? pings.answer;
    }
  }

  /** Lets chance choose the readers it chose in the recording. */
  #chooseReaders(messages: readonly Message[], prelude: Prelude): void {
    const { draws } = prelude;
    if (draws === undefined) return;
    const asked = messages.filter(({ from, to }) => from === this.#role && draws[to] !== undefined);
    const targets = asked.flatMap(({ to, data }) => (data === undefined ? [] : [{ to, key: data.split(/ |\r/)[1] ?? "" }]));
    for (const { to, data = "" } of messages) {
      if (to !== this.#role) continue;
      for (const line of data.split("\r\n")) {
        const [word, ...keys] = line.split(" ");
        if (word !== "get" && word !== "gets" && word !== "keys") continue;
        for (const key of word === "keys" ? keys.slice(0, -1) : keys) {
          const at = targets.findIndex((target) => target.key === key);
          const target = targets.splice(at, at < 0 ? 0 : 1)[0];
          if (target !== undefined) this.#network.draws.push(draws[target.to] ?? 0);
        }
      }
    }
  }

  // --------------------------------------------------------------------------------------------------- names and maps

  #keptBy(host: string, ordinal: number): FarEnd {
    const kept = (this.#kept.get(host) ?? []).filter((far) => !far.closed);
    this.#kept.set(host, kept);
    while (kept.length <= ordinal) kept.push(this.#network.dial(this.#address(this.#role), this.#topology[host] ?? host));
    return kept[ordinal] as FarEnd;
  }

  #address(role: string): string {
    return this.#topology[role] ?? "127.0.0.1:22441";
  }

  #roleAt(key: string): string {
    return (
      Object.entries(this.#topology).find(([, address]) => address === key)?.[0] ??
      (this.#role === "flared" ? "fake-index" : key)
    );
  }

  #nodeLines(map: string): string {
    const entries = map
      .slice(map.indexOf(":") + 1)
      .split(",")
      .map((entry) => entry.trim())
      .filter((entry) => entry !== "");
    return entries
      .map((entry) => {
        const [role = "", ...fields] = entry.split(" ");
        return `NODE ${this.#address(role).replace(":", " ")} ${fields.join(" ")}\r\n`;
      })
      .join("");
  }

  #nodeMap(): ReturnType<typeof createNodeMap> {
    const nodes = this.#nodeLines(this.#map)
      .split("\r\n")
      .filter((line) => line !== "")
      .map(parseNodeLine) as ClusterNode[];
    const next = Math.max(15, ...nodes.map((node) => node.threadType)) + 1;
    return createNodeMap(Number(this.#map.slice(0, this.#map.indexOf(":"))), nodes, next);
  }
}

/** Requests to one host with the same order key stay in order. */
function orderOf(request: string): string {
  const words = request
    .slice(0, request.indexOf("\r\n"))
    .replace(/^<[^>]*>/, "")
    .split(" ");
  if (words[0] === "ping") return "ping";
  return ["node", "meta", "dump", "shutdown", "stats"].includes(words[0] ?? "") ? "" : `key ${words[1]}`;
}

function wantsReply(request: string): boolean {
  return !/ noreply\r\n/.test(request.slice(0, request.indexOf("\r\n") + 2));
}

/** Takes from a connection what was due, as far as it has come. */
function takeDue(conn: Conn): void {
  const { far, due, host } = conn;
  if (far === undefined || due === "") return;
  const length = Math.min(far.received.length, due.length);
  assertEquals(far.received.slice(0, length), due.slice(0, length), `to "${host}"`);
  far.received = far.received.slice(length);
  conn.due = due.slice(length);
}

/** Two keys use the same connection of ours if and only if they did in the recording. */
function assertLanes(conns: Map<number, Conn>): void {
  const recorded = new Map<string, { host: string; number: number; link: OutgoingLink }>();
  for (const [number, { host, keys }] of conns)
    for (const [key, link] of keys) recorded.set(`${host} ${key}`, { host, number, link });
  const all = [...recorded.values()];
  for (const left of all) {
    for (const right of all) {
      if (left.host === right.host)
        assertEquals(left.link === right.link, left.number === right.number, "connections of the keys");
    }
  }
}
