/**
 * The memory of all dumps together: who reads when, what waits, which clients are disconnected.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DumpMemory, type DumpPiece, type DumpTaker } from "../../../../lib/node_server/commands/dump_memory.ts";
import { StorageWorld, turns } from "../../../support/storage_world.ts";

const BYTES_MAX = 1000;

function piece(length: number): DumpPiece {
  return { byteLength: length };
}

class Taker implements DumpTaker {
  readonly breakOff: () => void;
  readonly #listeners = new Set<() => void>();

  constructor(breakOff: () => void = () => undefined) {
    this.breakOff = breakOff;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  whenGone(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  leave(): void {
    for (const listener of this.#listeners) listener();
  }
}

function open(): {
  world: StorageWorld;
  memory: DumpMemory;
  broken: string[];
  read(name: string, length: number): Promise<DumpPiece>;
} {
  const world = new StorageWorld();
  const memory = new DumpMemory(world.runtime.clock, BYTES_MAX);
  const broken: string[] = [];
  return {
    world,
    memory,
    broken,
    async read(name, length) {
      const found = await memory.read(async () => piece(length), new Taker(() => broken.push(name)));
      assert(found !== undefined);
      return found;
    },
  };
}

describe("the memory of dumps", () => {
  it("queues them in order while unsent pieces fill it", async () => {
    const { memory, read } = open();
    const first = await read("a", 600);
    const second = await read("b", 600);
    const order: string[] = [];
    const third = read("c", 700).then((found) => {
      order.push("c");
      return found;
    });
    const fourth = read("d", 10).then((found) => {
      order.push("d");
      return found;
    });
    await turns(3);
    assertEquals([memory.waiting, memory.heldBytes, order], [2, 1200, []]);
    memory.release(first);
    await turns(3);
    // The fourth began to read while the third did: nobody knew yet how much that would be.
    assertEquals(order, ["c", "d"]);
    assertEquals([memory.waiting, memory.heldBytes], [0, 1310]);
    const fifth = read("e", 1);
    await turns(3);
    assertEquals(memory.waiting, 1);
    for (const held of [second, await third, await fourth]) memory.release(held);
    memory.release(await fifth);
    memory.release(first);
    assertEquals([memory.waiting, memory.heldBytes], [0, 0]);
  });

  it("reads nothing for clients that left the queue", async () => {
    const { world, memory, broken, read } = open();
    const held = await read("slow", BYTES_MAX);
    const [leaving, staying] = [new Taker(), new Taker()];
    const given = memory.read(() => Promise.reject(new Error("read for nobody")), leaving);
    const kept = memory.read(async () => piece(1), staying);
    await turns(3);
    assertEquals(memory.waiting, 2);
    leaving.leave();
    assertEquals([await given, memory.waiting], [undefined, 1]);
    memory.release(held);
    memory.release((await kept) as DumpPiece);
    assertEquals([memory.heldBytes, staying.listeners], [0, 0]);
    const slow = await read("slow", BYTES_MAX);
    const alone = memory.read(async () => piece(1), leaving);
    leaving.leave();
    assertEquals(await alone, undefined);
    await world.advance(600000);
    assertEquals(broken, []);
    memory.release(slow);
  });

  it("is exceeded by what a few reads find, not by more", async () => {
    const { memory } = open();
    let reading = 0;
    let readingMax = 0;
    const gates: (() => void)[] = [];
    const found = Array.from({ length: 20 }, () =>
      memory.read(async () => {
        readingMax = Math.max(readingMax, ++reading);
        await new Promise<void>((resolve) => gates.push(resolve));
        reading--;
        return piece(BYTES_MAX);
      }, new Taker()),
    );
    await turns(3);
    for (const gate of gates.splice(0)) gate();
    await turns(3);
    assertEquals([readingMax, reading, memory.heldBytes, memory.waiting], [4, 0, 4 * BYTES_MAX, 16]);
    // Each further one needs all of the first to have gone.
    for (let i = 0; i < 20; i++) {
      memory.release((await found[i]) as DumpPiece);
      await turns(3);
      for (const gate of gates.splice(0)) gate();
      await turns(3);
      assert(memory.heldBytes <= 4 * BYTES_MAX, `${memory.heldBytes} bytes`);
    }
    assertEquals([memory.heldBytes, memory.waiting], [0, 0]);
  });

  it("goes on after a read that failed, and after the end of a dump", async () => {
    const { memory, read } = open();
    for (let i = 0; i < 10; i++) {
      await assertRejects(
        () => memory.read(() => Promise.reject(new Error("engine read failed")), new Taker()),
        Error,
        "engine read failed",
      );
      assertEquals(await memory.read(async () => undefined, new Taker()), undefined);
    }
    memory.release(await read("a", 10));
    assertEquals(memory.heldBytes, 0);
  });

  it("disconnects clients that read almost nothing, but only when others wait", async () => {
    const { world, memory, broken, read } = open();
    const stalled = await read("stalled", BYTES_MAX);
    await world.advance(600000);
    assertEquals(broken, []);
    const waiting = read("waiting", 1);
    await world.advance(1000);
    assertEquals(broken, ["stalled"]);
    memory.release(stalled);
    const next = await waiting;
    await world.advance(600000);
    assertEquals(broken, ["stalled"]);
    memory.release(next);
  });

  it("gives a large piece the time it needs at a modest pace", async () => {
    const { world, memory, broken, read } = open();
    const large = await read("large", 160 * 65536);
    const waiting = read("waiting", 1);
    await world.advance(189000);
    assertEquals(broken, []);
    await world.advance(2000);
    assert(broken.includes("large"));
    memory.release(large);
    memory.release(await waiting);
  });
});
