/**
 * What is remembered of names, and connections to them, with lookups and a clock that are moved by hand.
 *
 * Covers lib/runtime/names/named_transport.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { NameCache } from "../../../../lib/runtime/names/name_cache.ts";
import { NamedTransport } from "../../../../lib/runtime/names/named_transport.ts";
import type { Address, Connection, ConnectionHandler, ConnectOptions, Transport } from "../../../../lib/runtime/runtime.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

/** Lookups that a test answers. */
class Lookups {
  readonly network = new PlayedNetwork();
  readonly cache = new NameCache(this.network.clock, (name) => this.#look(name));
  /** Every name that was looked up. */
  readonly asked: string[] = [];
  readonly #answers = new Map<string, (addresses: readonly string[] | Error) => void>();

  #look(name: string): Promise<readonly string[]> {
    this.asked.push(name);
    return new Promise((resolve, reject) => {
      this.#answers.set(name, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  }

  async answer(name: string, answer: readonly string[] | Error): Promise<void> {
    this.#answers.get(name)?.(answer);
    await this.network.settle();
  }
}

/** A transport that records its connection attempts and lets a test decide their outcome. */
class Recorder implements Transport {
  readonly opened: { readonly to: string; readonly handler: ConnectionHandler; readonly timeoutMs: number }[] = [];
  written = "";
  ended = 0;

  listen(): never {
    throw new Error("nobody listens");
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options: ConnectOptions = {}): Connection {
    assert("port" in address);
    this.opened.push({ to: options.ip ?? address.host, handler, timeoutMs });
    const end = (): void => {
      this.ended++;
    };
    return {
      peer: "",
      write: (bytes) => {
        this.written += latin1(bytes);
        return true;
      },
      pause: () => undefined,
      resume: () => undefined,
      close: end,
      destroy: end,
    };
  }
}

/** The events of a handler, in a word each. */
class Told implements ConnectionHandler {
  readonly words: string[] = [];
  error: Error | undefined;
  onOpen(): void {
    this.words.push("open");
  }
  onData(): void {
    this.words.push("data");
  }
  onDrain(): void {
    this.words.push("drain");
  }
  onEnd(): void {
    this.words.push("end");
  }
  onClose(error?: Error): void {
    this.words.push("close");
    this.error = error;
  }
}

function scene(): { lookups: Lookups; inner: Recorder; transport: NamedTransport; connect(host: string): [Connection, Told] } {
  const lookups = new Lookups();
  const inner = new Recorder();
  const transport = new NamedTransport(inner, lookups.cache, lookups.network.clock);
  const connect = (host: string): [Connection, Told] => {
    const told = new Told();
    return [transport.connect({ host, port: 1 }, 2000, told), told];
  };
  return { lookups, inner, transport, connect };
}

describe("names", () => {
  it("are looked up once, however many want them, and never for long", async () => {
    const lookups = new Lookups();
    const answers = [lookups.cache.ask("a"), lookups.cache.ask("a"), lookups.cache.ask("b")];
    assertEquals(lookups.asked, ["a", "b"]);
    await lookups.answer("b", ["10.0.0.2"]);
    assertEquals(await answers[2], ["10.0.0.2"]);
    const late = assertRejects(() => answers[0] as Promise<unknown>, FlareError, 'name "a" was not resolved within 30000 ms');
    await lookups.network.pass(30000);
    assertEquals((await late).code, "TIMED_OUT");
    // The lookup goes on all the same; beside it there is one more at most.
    await lookups.network.pass(1000);
    lookups.cache.ask("a").catch(() => undefined);
    await lookups.network.pass(31000);
    await assertRejects(() => lookups.cache.ask("a"), FlareError);
    assertEquals(lookups.asked, ["a", "b", "a"]);
  });

  it("keep their last good address whatever becomes of later lookups", async () => {
    const lookups = new Lookups();
    void lookups.cache.ask("a");
    await lookups.answer("a", ["10.0.0.1"]);
    assertEquals(lookups.cache.known("a"), { addresses: ["10.0.0.1"], isFresh: true });
    await lookups.network.pass(30000);
    assertEquals(lookups.cache.known("a"), { addresses: ["10.0.0.1"], isFresh: false });
    const failed = assertRejects(() => lookups.cache.ask("a"), FlareError, 'name "a" could not be resolved: no such name');
    await lookups.answer("a", new Error("no such name"));
    await failed;
    assertEquals(lookups.cache.known("a").addresses, ["10.0.0.1"]);
    // Not asked again at once, however often somebody tries to connect.
    for (let time = 0; time < 10; time++) await lookups.cache.ask("a").catch(() => undefined);
    assertEquals(lookups.asked.length, 2);
    await lookups.network.pass(1000);
    void lookups.cache.ask("a");
    await lookups.answer("a", ["10.0.0.7"]);
    assertEquals(lookups.cache.known("a"), { addresses: ["10.0.0.7"], isFresh: true });
  });

  it("are forgotten when there are too many", async () => {
    const lookups = new Lookups();
    for (let number = 0; number < 5000; number++) void lookups.cache.ask(`n${number}`);
    await lookups.answer("n4999", ["10.0.0.1"]);
    await lookups.answer("n1", ["10.0.0.1"]);
    assertEquals([lookups.cache.known("n1").addresses.length, lookups.cache.known("n4999").addresses.length], [0, 1]);
  });
});

describe("a connection to a name", () => {
  it("needs no lookup for an address, in brackets or not", () => {
    const { lookups, inner, connect } = scene();
    for (const host of ["127.0.0.1", "::1", "[::1]", "fe80::1%eth0"]) connect(host);
    assertEquals(
      inner.opened.map(({ to }) => to),
      ["127.0.0.1", "::1", "::1", "fe80::1%eth0"],
    );
    assertEquals(lookups.asked, []);
  });

  it("is not held up by another name", async () => {
    const { lookups, inner, connect } = scene();
    const slow = Array.from({ length: 10 }, (_, number) => connect(`slow${number}`)[1]);
    const [, quick] = connect("quick");
    await lookups.answer("quick", ["10.0.0.1"]);
    assertEquals([inner.opened[0]?.to, quick.words], ["10.0.0.1", []]);
    await lookups.network.pass(2000);
    for (const { words, error } of slow) {
      assertEquals([words, (error as FlareError).code], [["close"], "TIMED_OUT"]);
    }
  });

  it("goes to the last address when a lookup takes too long, and to the new one after it", async () => {
    const { lookups, inner, connect } = scene();
    connect("a");
    await lookups.answer("a", ["10.0.0.1"]);
    inner.opened[0]?.handler.onOpen();
    inner.opened[0]?.handler.onClose();
    connect("a");
    assertEquals(inner.opened.length, 2);
    // The address is of no use: the name is asked for again.
    inner.opened[1]?.handler.onClose(new Error("refused"));
    await lookups.network.pass(1000);
    connect("a");
    assertEquals([lookups.asked.length, inner.opened.length], [2, 2]);
    await lookups.network.pass(499);
    assertEquals(inner.opened.length, 2);
    await lookups.network.pass(1);
    assertEquals(inner.opened[2]?.to, "10.0.0.1");
    await lookups.answer("a", ["10.0.0.9"]);
    connect("a");
    assertEquals(inner.opened[3]?.to, "10.0.0.9");
  });

  it("tries all addresses within its time, and tells its handler of the outcome only", async () => {
    const { lookups, inner, connect } = scene();
    const [, told] = connect("a");
    await lookups.answer("a", ["10.0.0.1", "10.0.0.2"]);
    inner.opened[0]?.handler.onClose(new Error("refused"));
    assertEquals(
      inner.opened.map(({ to, timeoutMs }) => [to, timeoutMs]),
      [
        ["10.0.0.1", 1000],
        ["10.0.0.2", 2000],
      ],
    );
    inner.opened[1]?.handler.onOpen();
    inner.opened[1]?.handler.onData(fromLatin1("x"));
    inner.opened[1]?.handler.onClose();
    assertEquals(told.words, ["open", "data", "close"]);
  });

  it("sends what was written before it was open, once", async () => {
    const { lookups, inner, connect } = scene();
    const [connection, told] = connect("a");
    assertEquals(connection.write(fromLatin1("hello")), false);
    await lookups.answer("a", ["10.0.0.1", "10.0.0.2"]);
    inner.opened[0]?.handler.onClose(new Error("refused"));
    inner.opened[1]?.handler.onOpen();
    assertEquals([inner.written, told.words], ["hello", ["open", "drain"]]);
  });

  it("ends silently when it is abandoned", async () => {
    const { lookups, inner, connect } = scene();
    const [connection, told] = connect("a");
    connection.destroy();
    connection.destroy();
    await lookups.answer("a", ["10.0.0.1"]);
    assertEquals([told.words, told.error, inner.opened.length], [["close"], undefined, 0]);
    // With something to send it is opened all the same.
    const [talking, heard] = connect("a");
    talking.write(fromLatin1("bye"));
    talking.close();
    inner.opened[0]?.handler.onOpen();
    inner.opened[0]?.handler.onClose();
    assertEquals([inner.written, inner.ended, heard.words], ["bye", 1, ["close"]]);
  });

  it("is looked up again when somebody else turned out to be there", async () => {
    const { lookups, inner, transport, connect } = scene();
    connect("a");
    await lookups.answer("a", ["10.0.0.1"]);
    connect("a");
    assertEquals([lookups.asked.length, inner.opened.length], [1, 2]);
    transport.doubt("a");
    await lookups.network.pass(1500);
    connect("a");
    await lookups.answer("a", ["10.0.0.2"]);
    assertEquals([lookups.asked.length, inner.opened.length], [2, 3]);
  });

  it("says what is wrong with the name", async () => {
    const { lookups, connect } = scene();
    const [, told] = connect("a");
    await lookups.answer("a", Object.assign(new Error("queryA ENOTFOUND a"), { code: "ENOTFOUND" }));
    assertEquals(told.error?.message, 'name "a" could not be resolved: ENOTFOUND');
  });
});
