/** One HTTP connection: when it is late, how it ends, and what becomes of answers whose clients are gone. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { BODY_MS, HttpConnection, IDLE_MS, UNREAD_MS } from "../../../../lib/net/http/http_connection.ts";
import type { GatedHandler } from "../../../../lib/net/http/http_gate.ts";
import { textResponse } from "../../../../lib/net/http/http_handler.ts";
import type { Connection, ConnectionHandler, HttpAnswer, HttpRequest, HttpResponse } from "../../../../lib/runtime/runtime.ts";
import { FakeConnection } from "../../../support/fake_connection.ts";

const HERE: HttpRequest = { method: "GET", target: "/", headers: [["Host", "here"]], readBody: async () => new Uint8Array() };

class World {
  readonly far = new FakeConnection();
  readonly connection: HttpConnection;
  readonly events: string[] = [];
  nowMs = 1000;
  handler: GatedHandler = async () => textResponse(200, "hello");
  /** What the connection gave the protocol. */
  wire!: Connection;
  #answer!: HttpAnswer;

  constructor() {
    const world = this;
    const protocol: ConnectionHandler = {
      onOpen: () => this.events.push("open"),
      onData: (chunk) => this.events.push(`data ${latin1(chunk)}`),
      onDrain: () => this.events.push("drain"),
      onEnd: () => this.events.push("end"),
      onClose: () => this.events.push("close"),
    };
    const http = {
      serve: (wire: Connection, headBytesMax: number, answer: HttpAnswer) => {
        assert(headBytesMax >= 8192 && headBytesMax <= 65536);
        this.wire = wire;
        this.#answer = answer;
        return protocol;
      },
    };
    const host = {
      get handler() {
        return world.handler;
      },
      monotonicMs: () => this.nowMs,
      unexpected: (error: unknown) => this.events.push(`unexpected ${(error as Error).message}`),
    };
    this.connection = new HttpConnection(http, this.far, host, (_, error) => this.events.push(`ended ${error?.message}`));
  }

  ask(request: Partial<HttpRequest> = {}): Promise<HttpResponse> {
    return this.#answer({ ...HERE, ...request });
  }
}

async function bodyOf({ body }: HttpResponse): Promise<string> {
  let text = "";
  for await (const part of body) text += latin1(part);
  return text;
}

describe("an HTTP connection", () => {
  it("gives the protocol what comes, and the handler what is asked for", async () => {
    const world = new World();
    let asked: Request | undefined;
    world.handler = async (request, client) => {
      asked = request;
      return textResponse(200, client.peer);
    };
    world.connection.onOpen();
    world.connection.onData(fromLatin1("GET"));
    world.connection.onEnd();
    assertEquals(world.events, ["open", "data GET", "end"]);
    const response = await world.ask({
      target: "/a?b=c",
      headers: [
        ["Host", "here:80"],
        ["X", "1"],
        ["X", "2"],
      ],
    });
    assertEquals([response.status, response.headers["content-length"], await bodyOf(response)], [200, "15", world.far.peer]);
    assertEquals(new URL(asked?.url ?? "").pathname, "/a");
    assertEquals([asked?.headers.get("host"), asked?.headers.get("x")], ["here:80", "1, 2"]);
  });

  it("sends no body in answer to HEAD", async () => {
    const response = await new World().ask({ method: "HEAD" });
    assertEquals([response.headers["content-length"], await bodyOf(response)], ["5", ""]);
  });

  it("refuses what cannot be a request, and headers that are there twice and must not", async () => {
    const world = new World();
    const wrong: Partial<HttpRequest>[] = [
      { target: "no/path" },
      { target: "" },
      {
        headers: [
          ["Host", "here"],
          ["host", "there"],
        ],
      },
      {
        headers: [
          ["Origin", "http://a"],
          ["Origin", "http://b"],
        ],
      },
      {
        headers: [
          ["Authorization", "Basic a"],
          ["Authorization", "Basic b"],
        ],
      },
    ];
    world.handler = () => assert(false) as never;
    for (const request of wrong) {
      const response = await world.ask(request);
      assertEquals([response.status, response.headers.connection], [400, "close"], JSON.stringify(request));
      await bodyOf(response);
    }
  });

  it("answers a failure of the handler, and reports it", async () => {
    const world = new World();
    world.handler = () => Promise.reject(new Error("a bug"));
    const response = await world.ask();
    assertEquals([response.status, await bodyOf(response), world.events], [500, "internal error\n", ["unexpected a bug"]]);
  });

  it("is late when no complete request comes for a while, however many bytes do", async () => {
    const world = new World();
    world.connection.onOpen();
    world.nowMs += IDLE_MS;
    world.connection.onData(fromLatin1("G"));
    assert(!world.connection.isLate(world.nowMs));
    assert(world.connection.isLate(world.nowMs + 1));
    // An answer that takes long is not the client's fault.
    const response = await world.ask();
    assert(!world.connection.isLate(world.nowMs + 10 * IDLE_MS));
    world.nowMs += 1000;
    await bodyOf(response);
    assert(!world.connection.isLate(world.nowMs + IDLE_MS));
    assert(world.connection.isLate(world.nowMs + IDLE_MS + 1));
    world.connection.kill();
    assert(world.far.destroyed);
  });

  it("is late when its client does not read an answer", async () => {
    const world = new World();
    world.far.room = 0;
    await world.ask();
    assertEquals(world.wire.write(fromLatin1("x")), false);
    assert(!world.connection.isLate(world.nowMs + UNREAD_MS));
    assert(world.connection.isLate(world.nowMs + UNREAD_MS + 1));
    world.connection.onDrain();
    assert(!world.connection.isLate(world.nowMs + UNREAD_MS + 1));
    assertEquals(world.events, ["drain"]);
  });

  it("closes at once when the server stops, unless it is answering", async () => {
    const idle = new World();
    idle.connection.onOpen();
    idle.connection.drain();
    assert(idle.far.closed);
    const opening = new World();
    opening.connection.drain();
    assert(opening.far.destroyed);

    const busy = new World();
    busy.connection.onOpen();
    let answer: ((response: Response) => void) | undefined;
    busy.handler = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const asked = busy.ask();
    busy.connection.drain();
    busy.connection.onData(fromLatin1("GET"));
    assert(!busy.far.closed);
    answer?.(textResponse(200, "late"));
    const response = await asked;
    assertEquals([response.headers.connection, await bodyOf(response), busy.events], ["close", "late", ["open"]]);
  });

  it("ends the body of an answer when its client is gone", async () => {
    const world = new World();
    let cancelled = 0;
    world.handler = async () => new Response(new ReadableStream({ cancel: () => void cancelled++ }));
    const response = await world.ask();
    const reading = bodyOf(response);
    await Promise.resolve();
    world.connection.onOpen();
    world.connection.onClose(new Error("reset"));
    assertEquals([await reading, cancelled, world.connection.isOpen], ["", 1, true]);
    assertEquals(world.events, ["open", "close", "ended reset"]);
  });

  it("is late when a body takes too long, and not while it is answered", async () => {
    const world = new World();
    world.connection.onOpen();
    let send!: (body: Uint8Array) => void;
    let answer!: () => void;
    world.handler = async (_request, _client, readBody) => {
      const body = await readBody(100);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return textResponse(200, `${body?.length}`);
    };
    const asked = world.ask({
      method: "POST",
      readBody: (bytesMax) =>
        new Promise((resolve) => {
          assertEquals(bytesMax, 100);
          send = resolve;
        }),
    });
    assert(!world.connection.isLate(world.nowMs + BODY_MS));
    assert(world.connection.isLate(world.nowMs + BODY_MS + 1));
    send(new Uint8Array(7));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    assert(!world.connection.isLate(world.nowMs + 10 * BODY_MS));
    answer();
    assertEquals(await bodyOf(await asked), "7");
  });

  it("refuses two tokens, of which somebody else may believe the other one", async () => {
    const world = new World();
    const headers = [
      ["Host", "here"],
      ["Flare-Token", "a"],
      ["flare-token", "b"],
    ] as const;
    assertEquals((await world.ask({ headers })).status, 400);
  });
});
