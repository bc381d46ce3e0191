/**
 * HTTP over real sockets, for the runtime that runs the tests: what a server's connections may count on, whatever clients send.
 *
 * Covers lib/runtime/http/node_http.ts.
 */

import { connect } from "node:net";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { HostPort } from "../../lib/base/host_port.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import type {
  Address,
  Connection,
  ConnectionHandler,
  HttpProtocol,
  HttpRequest,
  HttpResponse,
  Listener,
} from "../../lib/runtime/runtime.ts";
import { waitUntil } from "../support/daemon.ts";
import { type Conversation, type RawResponse, responsesIn, talk } from "../support/raw_http.ts";
import { testTlsClient, testTlsServer } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const runtime = detectRuntime({ logLevel: "error" });
const http = runtime.http as HttpProtocol;
const HEAD_BYTES_MAX = 2048;
const GET = "GET /a HTTP/1.1\r\nHost: here\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

type Answer = (request: HttpRequest) => Promise<HttpResponse>;

async function* parts(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

function textOf(text: string): HttpResponse {
  return { status: 200, headers: { "content-length": String(text.length), "x-own": "yes" }, body: parts(text) };
}

/** Says what was asked for. */
const echo: Answer = async ({ method, target, headers }) =>
  textOf(`${method} ${target} ${headers.map(([name, value]) => `${name}=${value}`).join("&")}`);

/** A server for one test. */
class World {
  readonly connections: Connection[] = [];
  closed = 0;
  readonly #listener: Listener;
  readonly #secure: boolean;

  private constructor(listener: Listener, secure: boolean) {
    this.#listener = listener;
    this.#secure = secure;
  }

  static async start(answer: Answer, secure: boolean): Promise<World> {
    const place = { host: "127.0.0.1", port: 0 };
    const accept = (connection: Connection): ConnectionHandler => {
      world.connections.push(connection);
      const handler = http.serve(connection, HEAD_BYTES_MAX, answer);
      return {
        onOpen: () => handler.onOpen(),
        onData: (chunk) => handler.onData(chunk),
        onDrain: () => handler.onDrain(),
        onEnd: () => handler.onEnd(),
        onClose: (error) => {
          world.closed++;
          handler.onClose(error);
        },
      };
    };
    const listener = await runtime.transport.listen(place, accept, secure ? { tls: testTlsServer("node") } : {});
    const world = new World(listener, secure);
    return world;
  }

  get address(): Address {
    return this.#listener.address;
  }

  talk(text: string, how: Conversation = {}): Promise<string> {
    return talk(runtime, this.address, text, { ...how, ...(this.#secure ? { tls: testTlsClient() } : {}) });
  }

  async ask(text: string, how: Conversation = {}): Promise<RawResponse[]> {
    return responsesIn(await this.talk(text, how));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await this.#listener.close();
  }
}

for (const secure of [false, true]) {
  const start = (answer: Answer = echo): Promise<World> => World.start(answer, secure);

  describe(`HTTP of ${runtime.name}${secure ? " over TLS" : ""}`, () => {
    it("answers a request with its status, headers and body, and closes when the client wants that", async () => {
      await using world = await start();
      const [response] = await world.ask("GET /a?b=c HTTP/1.1\r\nHost: here\r\nX-Y:  z \r\nConnection: close\r\n\r\n");
      assertEquals(response?.status, 200);
      assertEquals(response?.headers.get("x-own"), "yes");
      assertEquals(response?.body, "GET /a?b=c Host=here&X-Y=z&Connection=close");
    });

    it("answers requests on one connection in their order, however they are cut", async () => {
      await using world = await start();
      for (const pieces of [1, 7, 1000]) {
        const responses = await world.ask(GET + GET.replace("/a", "/b") + LAST, { pieces });
        assertEquals(
          responses.map(({ body }) => body.split(" ")[1]),
          ["/a", "/b", "/last"],
        );
      }
    });

    it("keeps the connection for the next request", async () => {
      await using world = await start();
      const client = await TextClient.connect(runtime, world.address, secure ? testTlsClient() : undefined);
      for (let i = 1; i <= 30; i++) {
        await client.send(GET.replace("/a", `/${i}`));
        const received = await client.until((text) => text.includes(`GET /${i} `));
        const response = responsesIn(received).at(-1);
        assertEquals([response?.headers.get("connection"), response?.body], ["keep-alive", `GET /${i} Host=here`]);
        client.received = "";
      }
      assertEquals([world.connections.length, world.closed], [1, 0]);
      client.close();
    });

    it("sends no body in answer to HEAD, and its length all the same", async () => {
      await using world = await start(async ({ method }) => ({
        ...textOf("12345"),
        body: parts(method === "HEAD" ? "" : "12345"),
      }));
      const received = await world.talk(`HEAD / HTTP/1.1\r\nHost: here\r\n\r\n${LAST}`);
      const [head, get] = responsesIn(received, new Set([0]));
      assertEquals([head?.status, head?.headers.get("content-length"), head?.body], [200, "5", ""]);
      assertEquals(get?.body, "12345");
    });

    it("answers HTTP/1.0 without a host, and closes", async () => {
      await using world = await start();
      assertEquals((await world.ask("GET /old HTTP/1.0\r\n\r\n"))[0]?.body, "GET /old ");
    });

    // With TLS a client that finishes sending closes the connection.
    if (!secure) {
      it("answers a client that has finished sending", async () => {
        await using world = await start(async (request) => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          return echo(request);
        });
        const received = await new Promise<string>((resolve, reject) => {
          let text = "";
          const socket = connect({ ...(world.address as HostPort), allowHalfOpen: true }, () => socket.end(GET));
          socket.on("data", (data: Uint8Array) => {
            text += new TextDecoder().decode(data);
          });
          socket.on("error", reject);
          socket.on("end", () => socket.destroy());
          socket.on("close", () => resolve(text));
        });
        assertEquals(responsesIn(received)[0]?.body, "GET /a Host=here");
      });
    }

    it("refuses malformed heads with a 4xx status, without asking for an answer", async () => {
      let asked = 0;
      await using world = await start(async (request) => {
        asked++;
        return echo(request);
      });
      const malformed = [
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "get a\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      ];
      for (const text of malformed) {
        const received = await world.talk(text);
        assert(/^HTTP\/1\.1 4\d\d /.test(received), JSON.stringify([text, received]));
      }
      assertEquals(asked, 0);
    });

    it("refuses a head that is too long", async () => {
      await using world = await start();
      const long = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(2 * HEAD_BYTES_MAX)}\r\n\r\n`;
      assert((await world.talk(long)).startsWith("HTTP/1.1 431 "));
    });

    it("gives each header as it came, those that are there twice, too", async () => {
      await using world = await start();
      const [response] = await world.ask("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\nConnection: close\r\n\r\n");
      assertEquals(response?.body, "GET / Host=a&host=b&Connection=close");
    });

    it("drops a body", async () => {
      await using world = await start();
      const responses = await world.ask(`POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345${LAST}`);
      assertEquals(
        responses.map(({ body }) => body.split(" ").slice(0, 2).join(" ")),
        ["POST /p", "GET /last"],
      );
    });

    it("reads a body, whatever its form and however it is cut", async () => {
      const bodies: string[] = [];
      await using world = await start(async (request) => {
        const body = await request.readBody(1000);
        bodies.push(body === undefined ? "none" : new TextDecoder().decode(body));
        return echo(request);
      });
      const plain = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";
      const chunked = "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
      const empty = "DELETE /e HTTP/1.1\r\nHost: a\r\n\r\n";
      for (const pieces of [1, 7, 1000]) {
        const responses = await world.ask(plain + chunked + empty + LAST, { pieces });
        assertEquals(
          responses.map(({ body }) => body.split(" ").slice(0, 2).join(" ")),
          ["POST /p", "PUT /c", "DELETE /e", "GET /last"],
        );
        assertEquals(bodies.splice(0), ["12345", "abcde", "", ""]);
      }
    });

    // With TLS a client that finishes sending closes the connection.
    if (!secure) {
      it("reads the body of a client that has finished sending", async () => {
        await using world = await start(async (request) => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          return textOf(`body of ${(await request.readBody(1000))?.length}`);
        });
        for (const [sent, length] of [
          ["12345", "5"],
          ["123", "undefined"],
        ]) {
          const received = await new Promise<string>((resolve, reject) => {
            let text = "";
            const head = `POST /a HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n${sent}`;
            const socket = connect({ ...(world.address as HostPort), allowHalfOpen: true }, () => socket.end(head));
            socket.on("data", (data: Uint8Array) => {
              text += new TextDecoder().decode(data);
            });
            socket.on("error", reject);
            socket.on("end", () => socket.destroy());
            socket.on("close", () => resolve(text));
          });
          // Node's parser ends the connection of one who has not sent all of it.
          if (sent === "12345" || received !== "") {
            assert(received.startsWith("HTTP/1.1 400 ") || responsesIn(received)[0]?.body === `body of ${length}`, received);
          }
        }
      });
    }

    it("reads a body of many parts, up to the limit and no further", async () => {
      const lengths: (number | undefined)[] = [];
      await using world = await start(async ({ readBody }) => {
        lengths.push((await readBody(300_000))?.length);
        return { status: lengths.at(-1) === undefined ? 413 : 200, headers: { connection: "close" }, body: parts("") };
      });
      for (const length of [300_000, 300_001, 3_000_000]) {
        const text = `POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
        // Who sends more than is read may find the connection closed before its answer.
        const received = await world.talk(text);
        if (length === 300_000) assert(received.startsWith("HTTP/1.1 200 "), received);
      }
      assertEquals(lengths, [300_000, undefined, undefined]);
    });

    it("ends the wait for a body when its client goes away", async () => {
      const lengths: (number | undefined)[] = [];
      let asked = 0;
      await using world = await start(async (request) => {
        asked++;
        lengths.push((await request.readBody(1000))?.length);
        return echo(request);
      });
      const client = await TextClient.connect(runtime, world.address, secure ? testTlsClient() : undefined);
      await client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n12345");
      // What was not sent yet gets lost with the connection.
      await waitUntil(() => asked === 1, "the request");
      client.close();
      await waitUntil(() => lengths.length === 1 && world.closed === 1, "the end of the wait");
      assertEquals(lengths, [undefined]);
    });

    it("asks nobody to continue with a body", async () => {
      await using world = await start();
      const expecting = "GET /e HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n\r\n";
      const received = await world.talk(GET + expecting + LAST);
      // The connection may end with it, because the client may send the body or not.
      const [first, second] = responsesIn(received).map(({ status, body }) => `${status} ${body.split(" ")[1]}`);
      assertEquals([first, second], ["200 /a", "200 /e"]);
    });

    it("sends a body of unknown length in chunks, each when it is there", async () => {
      let more: (() => void) | undefined;
      const wait = new Promise<void>((resolve) => {
        more = resolve;
      });
      await using world = await start(async () => ({
        status: 200,
        headers: { "content-type": "text/event-stream" },
        body: (async function* () {
          yield* parts("data: 1\n\n");
          await wait;
          yield* parts("data: 2\n\n");
        })(),
      }));
      let first = "";
      const received = await world.talk(LAST, {
        done: (text) => {
          if (first === "" && text.includes("data: 1")) {
            first = text;
            more?.();
          }
          return text.includes("data: 2");
        },
      });
      assert(!first.includes("data: 2"));
      assertEquals(responsesIn(`${received.replace(/\r\n(0\r\n\r\n)?$/, "")}\r\n0\r\n\r\n`)[0]?.body, "data: 1\n\ndata: 2\n\n");
    });

    it("asks for no more of a body than the client reads", async () => {
      let taken = 0;
      const part = new Uint8Array(65536).fill(0x78);
      const total = 400;
      await using world = await start(async () => ({
        status: 200,
        headers: { "content-length": String(total * part.length) },
        body: (async function* () {
          for (; taken < total; taken++) yield part;
        })(),
      }));
      let paused: Connection | undefined;
      let received = 0;
      let isDone = false;
      const tls = secure ? { tls: testTlsClient() } : {};
      paused = runtime.transport.connect(
        world.address,
        5000,
        {
          onOpen: () => {
            paused?.write(new TextEncoder().encode(LAST));
            paused?.pause();
          },
          onData: (chunk) => {
            received += chunk.length;
          },
          onDrain: () => undefined,
          onEnd: () => paused?.close(),
          onClose: () => {
            isDone = true;
          },
        },
        tls,
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert(taken < total, `${taken} of ${total} parts were taken though nobody reads`);
      paused.resume();
      await waitUntil(() => isDone, "the end of the body");
      assertEquals(taken, total);
      assert(received > total * part.length);
    });

    it("closes a connection whose body fails, so that nobody takes it for complete", async () => {
      await using world = await start(async () => ({
        status: 200,
        headers: {},
        body: (async function* () {
          yield* parts("begun");
          await Promise.resolve();
          throw new Error("broken");
        })(),
      }));
      const received = await world.talk(LAST);
      assert(!received.includes("\r\n0\r\n"), received);
    });

    it("ends an answer when its client goes away", async () => {
      let isEnded = false;
      await using world = await start(async () => ({
        status: 200,
        headers: {},
        body: (async function* () {
          try {
            for (;;) {
              yield* parts("tick\n");
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
          } finally {
            isEnded = true;
          }
        })(),
      }));
      await world.talk(GET, { done: (text) => text.includes("tick") });
      await waitUntil(() => isEnded && world.closed === 1, "the end of the answer");
    });

    it("ends a connection that sends many requests in one go, before it has answered many of them", async () => {
      let asked = 0;
      await using world = await start(async (request) => {
        asked++;
        return echo(request);
      });
      assertEquals((await world.ask(GET.repeat(7) + LAST)).length, 8);
      asked = 0;
      await world.talk(GET.repeat(1000));
      assert(asked <= 16, `${asked} of 1000 were answered`);
      await waitUntil(() => world.closed === 2, "the end of the connection");
    });

    it("answers many connections at once", async () => {
      await using world = await start();
      const all = await Promise.all(Array.from({ length: 50 }, (_, n) => world.ask(LAST.replace("/last", `/${n}`))));
      for (const [n, [response]] of all.entries()) assertEquals(response?.body.split(" ")[1], `/${n}`);
    });
  });
}
