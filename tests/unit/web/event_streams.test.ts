/** Streams of server-sent events: what they send, when, to whom, and how they end. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ClusterPicture } from "../../../lib/web/cluster_picture.ts";
import { EventStreams, HEARTBEAT_MS, STREAMS_MAX } from "../../../lib/web/event_streams.ts";
import { Happenings } from "../../../lib/web/happenings.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const CLIENT = { peer: "192.0.2.1:5", user: undefined, certificateName: undefined };

function picture(mapVersion: number): ClusterPicture {
  const self = { kind: "index", address: "h:1", version: "2" } as const;
  return { self, atMs: 1, mapVersion, leader: null, changesAllowed: false, partitions: 0, unreachable: [], nodes: [] };
}

class World {
  readonly clock = new ManualClock((callback) => callback());
  readonly happenings = new Happenings(this.clock);
  readonly streams = new EventStreams(this.clock, this.happenings);

  open(mapVersion: number, headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
    const request = new Request("http://localhost/api/stream", { headers, method });
    return this.streams.open(picture(mapVersion))(request, CLIENT, new Uint8Array());
  }

  async reader(mapVersion = 1, headers: Record<string, string> = {}): Promise<Reader> {
    const { body } = await this.open(mapVersion, headers);
    assert(body !== null);
    return new Reader(body);
  }
}

class Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next part as `event data…`, comments as they are; undefined at the end. */
  async next(): Promise<string[] | undefined> {
    const { value } = await this.#reader.read();
    if (value === undefined) return undefined;
    return new TextDecoder()
      .decode(value)
      .split("\n\n")
      .slice(0, -1)
      .map((block) => {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data === undefined) return block;
        const { mapVersion, text } = JSON.parse(data);
        const id = /^id: (\d+)$/m.exec(block)?.[1];
        return [/^event: (\w+)$/m.exec(block)?.[1], id, mapVersion ?? text].filter((each) => each !== undefined).join(" ");
      });
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

describe("a stream of events", () => {
  it("begins with the picture, and goes on with what happens and the pictures that follow", async () => {
    const world = new World();
    world.happenings.add("lost", "h:1", "before");
    const reader = await world.reader();
    assertEquals(await reader.next(), ["retry: 2000", "cluster 1"]);
    world.streams.publish(picture(2));
    assertEquals(await reader.next(), ["cluster 2"]);
    world.happenings.add("returned", "h:1", "after");
    world.streams.publish(picture(3));
    assertEquals(await reader.next(), ["cluster 3", "happened 2 after"]);
  });

  it("goes on where it was interrupted", async () => {
    const world = new World();
    for (const text of ["a", "b", "c"]) world.happenings.add("lost", null, text);
    const reader = await world.reader(1, { "last-event-id": "1" });
    assertEquals(await reader.next(), ["retry: 2000", "cluster 1", "happened 2 b", "happened 3 c"]);
    const other = await world.reader(1, { "last-event-id": "x" });
    assertEquals(await other.next(), ["retry: 2000", "cluster 1"]);
  });

  it("leaves out pictures for one who reads slowly, and nothing that happened", async () => {
    const world = new World();
    const reader = await world.reader();
    await reader.next();
    for (let i = 2; i < 100; i++) {
      world.happenings.add("lost", null, `${i}`);
      world.streams.publish(picture(i));
    }
    const parts = (await reader.next()) ?? [];
    assertEquals(
      parts.filter((part) => part.startsWith("cluster")),
      ["cluster 99"],
    );
    assertEquals(parts.filter((part) => part.startsWith("happened")).length, 98);
  });

  it("sends a comment from time to time, but no more than one waits", async () => {
    const world = new World();
    const reader = await world.reader();
    await reader.next();
    for (let i = 0; i < 3; i++) world.clock.step(world.clock.monotonicMs() + HEARTBEAT_MS);
    assertEquals(await reader.next(), [": alive"]);
    const next = reader.next();
    world.streams.publish(picture(2));
    assertEquals(await next, ["cluster 2"]);
  });

  it("ends with its client, and with it the heartbeats", async () => {
    const world = new World();
    const [one, other] = [await world.reader(), await world.reader()];
    assertEquals([world.streams.count, world.clock.delaysMs.length], [2, 1]);
    await one.cancel();
    await other.cancel();
    assertEquals([world.streams.count, world.clock.delaysMs.length], [0, 0]);
  });

  it("ends with its server, which opens no other", async () => {
    const world = new World();
    const reader = await world.reader();
    await reader.next();
    const next = reader.next();
    world.streams.stop();
    assertEquals(await next, undefined);
    assertEquals([(await world.open(1)).status, world.streams.count, world.clock.delaysMs.length], [503, 0, 0]);
  });

  it("is refused where too many are open, until one of them ends", async () => {
    const world = new World();
    const readers = await Promise.all(Array.from({ length: STREAMS_MAX }, () => world.reader()));
    assertEquals((await world.open(1)).status, 503);
    await readers[0]?.cancel();
    assertEquals((await world.open(1)).status, 200);
  });

  it("is not opened by a question for its head", async () => {
    const world = new World();
    const { status, headers } = await world.open(1, {}, "HEAD");
    assertEquals([status, headers.get("content-type"), world.streams.count], [200, "text/event-stream; charset=utf-8", 0]);
  });
});
