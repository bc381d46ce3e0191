/** What an index server remembers of a map that is stored elsewhere. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { KnownMap } from "../../../lib/index_server/known_map.ts";
import { IndexWorld } from "../../support/index_world.ts";

const PATH = "/data/etcd.known";
const PLACE = "The node map is in etcd, under the key /k";
const stored = (version: number | bigint, term: number) => ({ map: createNodeMap(version, [], 16), term });

describe("a known map", () => {
  it("is the newest that was seen, by version and by term, also for the next process", async () => {
    const world = new IndexWorld();
    const known = new KnownMap(world, PATH, PLACE);
    assertEquals(await known.read(), undefined);
    for (const [version, term, newest] of [
      [3, 1, { version: 3, term: 1 }],
      [2, 1, { version: 3, term: 1 }],
      [2, 4, { version: 3, term: 4 }],
      [18446744073709551615n, 2, { version: 18446744073709551615n, term: 4 }],
    ] as const) {
      await known.keep(stored(version, term));
      assertEquals(await known.read(), newest);
      assertEquals(await new KnownMap(world, PATH, PLACE).read(), newest);
    }
    assertEquals(latin1(world.files.content(PATH)), `${PLACE}\nversion 18446744073709551615 term 4\n`);
  });

  it("says what is wrong with an older one", async () => {
    const known = new KnownMap(new IndexWorld(), PATH, PLACE);
    assertEquals(await known.problemOf(stored(1, 1)), undefined);
    await known.keep(stored(3, 1));
    assertEquals(await known.problemOf(stored(2, 9)), "has version 2, and this index server has seen version 3");
    assertEquals([await known.problemOf(stored(3, 0)), await known.problemOf(stored(4, 0))], [undefined, undefined]);
  });

  it("is nothing for who remembers nothing", async () => {
    const world = new IndexWorld();
    const known = new KnownMap(world, undefined, PLACE);
    await known.keep(stored(3, 1));
    assertEquals([await known.read(), await known.problemOf(stored(2, 1))], [undefined, undefined]);
    assertEquals(world.files.files.size, 0);
  });

  it("of another place does not count", async () => {
    const world = new IndexWorld();
    await new KnownMap(world, PATH, PLACE).keep(stored(3, 1));
    assertEquals(await new KnownMap(world, PATH, `${PLACE}/more`).read(), undefined);
    assertEquals(await new KnownMap(world, PATH, PLACE.slice(0, -1)).read(), undefined);
  });

  it("is known without its version from an earlier release", async () => {
    const world = new IndexWorld();
    world.files.write(PATH, fromLatin1(`${PLACE}\n`));
    assertEquals(await new KnownMap(world, PATH, PLACE).read(), { version: 0, term: 0 });
  });

  it("that cannot be written is reported, and does not keep anybody from going on", async () => {
    const world = new IndexWorld();
    world.files.write(PATH, fromLatin1(`${PLACE}\n`));
    world.files.replaceFault = new FlareError("DISK_FULL", "no space left");
    await new KnownMap(world, PATH, PLACE).keep(stored(3, 1));
    assertEquals(world.logged, ["warning a loss of the node map would go unnoticed: no space left"]);
  });
});
