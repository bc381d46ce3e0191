/**
 * What a coordinator adds to the contract of all: memory its notice of a change, the file either program's format and the
 * previous copy if it is damaged.
 *
 * Covers lib/index_server/file_coordinator.ts and lib/index_server/memory_coordinator.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import { encodeStoredMap } from "../../../lib/cluster/stored_map.ts";
import { FileCoordinator } from "../../../lib/index_server/file_coordinator.ts";
import { MemoryCoordinator } from "../../../lib/index_server/memory_coordinator.ts";
import { withNode } from "../../contract/coordinator_suite.ts";
import { IndexWorld } from "../../support/index_world.ts";

const PATH = "/data/flare.xml";

const MAP1 = withNode(EMPTY_NODE_MAP, "a");
const MAP2 = withNode(MAP1, "b");
const ONE = { map: MAP1, term: 1 };
const TWO = { map: MAP2, term: 1 };

describe("memory coordinator", () => {
  it("tells of every store until it is closed", async () => {
    const coordinator = new MemoryCoordinator(MAP1);
    let calls = 0;
    coordinator.onChange(() => calls++);
    const { map, token } = await coordinator.restore();
    assertEquals(map, MAP1);
    const next = await coordinator.store(TWO, token);
    await coordinator.store(ONE, token);
    assertEquals(calls, 1);
    await coordinator.close();
    await coordinator.store(ONE, next as string);
    assertEquals(calls, 1);
  });
});

describe("file coordinator", () => {
  function worldWith(
    main: string | undefined,
    previous: string | undefined,
  ): { world: IndexWorld; coordinator: FileCoordinator } {
    const world = new IndexWorld();
    if (main !== undefined) world.files.write(PATH, fromLatin1(main));
    if (previous !== undefined) world.files.write(`${PATH}.previous`, fromLatin1(previous));
    return { world, coordinator: new FileCoordinator(world, PATH) };
  }

  it("writes what the original reads, for old Boosts too", async () => {
    for (const archiveVersion of [undefined, 4]) {
      const world = new IndexWorld();
      const coordinator = new FileCoordinator(world, PATH, archiveVersion === undefined ? {} : { archiveVersion });
      await coordinator.store(ONE, (await coordinator.restore()).token);
      assertEquals(latin1(world.files.content(PATH)), encodeStoredMap(ONE, archiveVersion));
    }
  });

  it("goes on with the previous file when the main one is torn, empty or gone, and says so", async () => {
    const whole = encodeFlareXml(MAP2);
    for (const main of [whole.slice(0, 300), "", undefined]) {
      const { world, coordinator } = worldWith(main, encodeFlareXml(MAP1));
      const { map, token } = await coordinator.restore();
      assertEquals(map, MAP1);
      assertEquals(world.logged.length, 1);
      assert(world.logged[0]?.startsWith(`warning "${PATH}" is `));
      assert((await coordinator.store(TWO, token)) !== undefined);
      assertEquals((await coordinator.restore()).map, MAP2);
    }
  });

  it("does not look at the previous file when the main one is whole", async () => {
    const { world, coordinator } = worldWith(encodeFlareXml(MAP2), "garbage");
    assertEquals((await coordinator.restore()).map, MAP2);
    assertEquals(world.logged, []);
  });

  it("is empty when there is nothing or only nothing", async () => {
    assertEquals((await worldWith("", undefined).coordinator.restore()).map, EMPTY_NODE_MAP);
    assertEquals((await worldWith("", "").coordinator.restore()).map, EMPTY_NODE_MAP);
  });

  it("knows that a map was there when both files are gone, and never by mistake", async () => {
    const { world, coordinator } = worldWith(undefined, undefined);
    const first = await coordinator.restore();
    assertEquals(first.lost, undefined);
    await coordinator.store(ONE, first.token);
    const files = world.files.files;
    files.delete(PATH);
    files.delete(`${PATH}.previous`);
    const { map, lost } = await new FileCoordinator(world, PATH).restore();
    assertEquals(map, EMPTY_NODE_MAP);
    assert(lost?.includes(`"${PATH}" with the cluster's node map is missing`), lost);
    files.delete(`${PATH}.known`);
    assertEquals((await new FileCoordinator(world, PATH).restore()).lost, undefined);
  });

  it("marks a map that an older version or the original has stored", async () => {
    const { world, coordinator } = worldWith(encodeFlareXml(MAP1), undefined);
    await coordinator.restore();
    assert(world.files.files.has(`${PATH}.known`));
  });

  it("names the file that is damaged when there is no other", async () => {
    for (const previous of [undefined, "", "garbage"]) {
      const error = (await assertRejects(() => worldWith("garbage", previous).coordinator.restore(), FlareError)) as FlareError;
      assertEquals(error.code, "CORRUPT");
      assert(error.message.includes(`"${PATH}"`), error.message);
    }
  });

  it("notices that somebody else changed the file", async () => {
    const { world, coordinator } = worldWith(encodeFlareXml(MAP1), undefined);
    const { token } = await coordinator.restore();
    world.files.write(PATH, fromLatin1(encodeFlareXml(MAP2)));
    assertEquals(await coordinator.store(ONE, token), undefined);
  });

  it("hands on a full disk", async () => {
    const { world, coordinator } = worldWith(undefined, undefined);
    const { token } = await coordinator.restore();
    world.files.replaceFault = new FlareError("DISK_FULL", "no space");
    const error = (await assertRejects(() => coordinator.store(ONE, token), FlareError)) as FlareError;
    assertEquals(error.code, "DISK_FULL");
    assertEquals((await coordinator.restore()).map, EMPTY_NODE_MAP);
  });
});
