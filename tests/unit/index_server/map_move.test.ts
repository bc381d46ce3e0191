/** A node map that is moved from one place to another, also if that is interrupted anywhere, and by several at a time. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import type { StoredMap } from "../../../lib/cluster/stored_map.ts";
import { decodeStoredMap } from "../../../lib/cluster/stored_map.ts";
import { FileCoordinator } from "../../../lib/index_server/file_coordinator.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { startIndexServer } from "../../../lib/index_server/index_server.ts";
import { type MoveSource, moveMap } from "../../../lib/index_server/map_move.ts";
import { withNode } from "../../contract/coordinator_suite.ts";
import { IndexWorld } from "../../support/index_world.ts";

const ONE = withNode(EMPTY_NODE_MAP, "a");
const FAILURE = new FlareError("IO_ERROR", "it breaks");

/** Two directories, each with or without an index server on its map. */
class Scene {
  readonly world = new IndexWorld();
  readonly steps: string[] = [];

  place(name: string): FileCoordinator {
    return new FileCoordinator(this.world, `/${name}`);
  }

  /** Stores a map as an index server would. */
  async give(name: string, stored: StoredMap): Promise<void> {
    const place = this.place(name);
    assert((await place.store(stored, (await place.restore()).token)) !== undefined);
  }

  /** A place that is left by a store of its own, as its index server does it. */
  source(name: string): MoveSource {
    const place = this.place(name);
    return {
      place: place.place,
      stored: () => place.restore(),
      leave: async (to) => {
        const { map, term, token } = await place.restore();
        const mark = { kind: "gone to", place: to } as const;
        return (await place.store({ map, term, mark }, token)) === undefined ? "SERVER_ERROR lost race" : "OK";
      },
    };
  }

  move(from: MoveSource, to: FileCoordinator): Promise<StoredMap> {
    return moveMap(from, to, { nowMs: () => 1, onStep: (text) => this.steps.push(text) });
  }

  /** Whether an index server can lead there, and with which version and term it would. */
  async leads(name: string): Promise<string> {
    const { map, term, mark, lost } = await this.place(name).restore();
    assertEquals(lost, undefined);
    return mark === undefined ? `leads ${map.version} ${term}` : mark.kind;
  }
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return ((await assertRejects(() => work, FlareError)) as FlareError).message;
}

describe("a node map that is moved", () => {
  it("is marked where it was, and has a higher term where it goes", async () => {
    const scene = new Scene();
    await scene.give("old", { map: ONE, term: 4 });
    assertEquals(await scene.move(scene.source("old"), scene.place("new")), { map: ONE, term: 5 });
    assertEquals([await scene.leads("old"), await scene.leads("new")], ["gone to", "leads 1 5"]);
    assertEquals(scene.steps, [
      '"file:///new" is reserved',
      '"file:///old" is left: no index server changes the map there',
      '"file:///new" has the map',
    ]);
    const [record] = await scene.place("new").history();
    assertEquals([record?.cause, record?.term], ['moved from "file:///old"', 5]);
    // Once more, when it was changed since.
    await scene.give("new", { map: withNode(ONE, "b"), term: 6 });
    assertEquals((await scene.move(scene.source("old"), scene.place("new"))).term, 6);
    // And back.
    await scene.move(scene.source("new"), scene.place("old"));
    assertEquals([await scene.leads("old"), await scene.leads("new")], ["leads 2 7", "gone to"]);
  });

  it("can be led in one place at most, wherever the move is interrupted, and arrives when it is run again", async () => {
    for (const isDone of [false, true]) {
      for (let broken = 1; broken <= 4; broken++) {
        const scene = new Scene();
        await scene.give("old", { map: ONE, term: 4 });
        let accesses = 0;
        const source = scene.source("old");
        const target = scene.place("new");
        const { leave } = source;
        const breaks = async <T>(work: () => Promise<T>): Promise<T> => {
          accesses++;
          if (accesses === broken && !isDone) throw FAILURE;
          const result = await work();
          if (accesses === broken && isDone) throw FAILURE;
          return result;
        };
        const store = target.store.bind(target);
        target.store = (...args) => breaks(() => store(...args));
        const broke = scene.move({ ...source, leave: (to) => breaks(() => leave(to)) }, target).then(
          () => "moved",
          (error: Error) => error.message,
        );
        const outcome = await broke;
        const states = [await scene.leads("old"), await scene.leads("new")];
        assert(states.filter((state) => state.startsWith("leads") && state !== "leads 0 0").length <= 1, states.join());
        if (broken > 3 || isDone) assertEquals(outcome, "moved");
        else assert(outcome.includes("it breaks; run this again"), outcome);
        await scene.move(source, scene.place("new"));
        assertEquals([await scene.leads("old"), await scene.leads("new")], ["gone to", "leads 1 5"]);
      }
    }
  });

  it("goes to one of two places that it is moved to at the same time, and the other one cannot be led in", async () => {
    const scene = new Scene();
    await scene.give("old", { map: ONE, term: 4 });
    const outcomes = await Promise.allSettled(["x", "y"].map((name) => scene.move(scene.source("old"), scene.place(name))));
    assertEquals(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    assertEquals([await scene.leads("x"), await scene.leads("y")].sort(), ["arriving from", "leads 1 5"]);
  });

  it("is refused where somebody has a map, or another move is under way, or where it is", async () => {
    const scene = new Scene();
    await scene.give("old", { map: ONE, term: 4 });
    await scene.give("used", { map: ONE, term: 1 });
    await scene.give("busy", { map: EMPTY_NODE_MAP, term: 1, mark: { kind: "arriving from", place: "file:///else" } });
    await scene.give("newer", { map: withNode(ONE, "b"), term: 9, mark: { kind: "gone to", place: "file:///else" } });
    const to = (name: string) => failureOf(scene.move(scene.source("old"), scene.place(name)));
    assertEquals(await to("old"), 'the node map is in "file:///old" already');
    assertEquals(
      await to("used"),
      '"file:///used" is in use, it has a node map of version 1; choose another place, or remove it there',
    );
    assertEquals(
      await to("busy"),
      '"file:///busy" is in use, it has one from "file:///else"; choose another place, or remove it there',
    );
    assertEquals(await to("newer"), '"file:///newer" had a node map of version 2, which is newer than 1; choose another place');
    await scene.give("old", { map: ONE, term: 4, mark: { kind: "gone to", place: "file:///else" } });
    assertEquals(await to("free"), 'the node map in "file:///old" is gone to "file:///else"');
    assertEquals(await scene.leads("free"), "leads 0 0");
  });

  it("is changed by no index server that is still there, and none starts there", async () => {
    const { world } = new Scene();
    const options = indexServerOptions({ dataDir: "/old", serverPort: 1 });
    const server = await startIndexServer(world, options);
    assert((await world.ask("node add a 1\r\n")).reply.startsWith("NODE a 1 "));
    assertEquals((await world.ask("index move nowhere\r\n")).reply, "ERROR\r\n");
    const place = "etcd://e:2379/flare/<main>";
    assertEquals((await world.ask(`index move ${place}\r\n`)).reply, "OK\r\n");
    const reason = `the node map has gone to "${place}", version 1 in term 1: start index servers with that index-db`;
    assertEquals((await world.ask("node add b 1\r\n")).reply, `SERVER_ERROR failed to add node: ${reason}\r\n`);
    assertEquals(
      (await world.ask("index move file:///other\r\n")).reply,
      `SERVER_ERROR failed to move the node map: ${reason}\r\n`,
    );
    const audits = world.logged.filter((line) => line.includes("audit ") && line.includes(`index move ${place}`));
    assertEquals(audits.length, 1, world.logged.join("\n"));
    const stats = (await world.ask("stats\r\n")).reply;
    assert(stats.includes(`STAT index_moved gone to ${place}\r\n`) && stats.includes("STAT index_leads 0\r\n"), stats);
    assert((await world.ask("stats nodes\r\n")).reply.includes("STAT a:1:role proxy"));
    const text = (await world.ask("index map\r\n")).reply.replace(/\r\nEND\r\n$/, "").replaceAll("\r\n", "\n");
    assertEquals(decodeStoredMap(text).mark, { kind: "gone to", place });
    world.trace.length = 0;
    await world.advance(60_000);
    assertEquals(world.trace, [], "nobody is monitored");
    await world.network.during(server.stop());
    assertEquals(await failureOf(startIndexServer(world, options)), reason);
  });
});
