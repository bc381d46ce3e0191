/**
 * What a coordinator adds to the contract of all: memory its notice of a change, the file the original's format, its
 * copies, its lock, and a clear word when the map is gone.
 *
 * Covers lib/index_server/file_coordinator.ts, lib/index_server/file_history.ts and lib/index_server/memory_coordinator.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { encodeFlareXml } from "../../../lib/cluster/flare_xml.ts";
import { EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import { encodeStoredMap, type StoredMap } from "../../../lib/cluster/stored_map.ts";
import { FileCoordinator } from "../../../lib/index_server/file_coordinator.ts";
import { MemoryCoordinator } from "../../../lib/index_server/memory_coordinator.ts";
import { withNode } from "../../contract/coordinator_suite.ts";
import { IndexWorld } from "../../support/index_world.ts";

const PATH = "/data/flare.xml";
const MARK = `${PATH}.known`;

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
  const world = new IndexWorld();
  const { files } = world;
  const open = () => new FileCoordinator(world, "/data");
  const textOf = (path: string) => latin1(files.content(path));
  const write = (path: string, text: string) => files.write(path, fromLatin1(text));

  /** Only these files are there. */
  function given(contents: Readonly<Record<string, string>>): FileCoordinator {
    files.files.clear();
    world.logged.length = 0;
    for (const [path, text] of Object.entries(contents)) write(path, text);
    return open();
  }

  async function storeAll(coordinator: FileCoordinator, ...all: readonly StoredMap[]): Promise<void> {
    for (const stored of all) assert((await coordinator.store(stored, (await coordinator.restore()).token)) !== undefined);
  }

  it("writes what the original reads, for old Boosts too", async () => {
    for (const archiveVersion of [undefined, 4]) {
      given({});
      const coordinator = new FileCoordinator(world, "/data", archiveVersion === undefined ? {} : { archiveVersion });
      await storeAll(coordinator, ONE);
      assertEquals(textOf(PATH), encodeStoredMap(ONE, archiveVersion));
    }
  });

  it("reads the original's file and 2.0.0's, marks it, and keeps a copy of it", async () => {
    const coordinator = given({ [PATH]: encodeFlareXml(MAP1) });
    const { map, term, lost } = await coordinator.restore();
    assertEquals([map, term, lost], [MAP1, 0, undefined]);
    assert(files.files.has(MARK));
    await storeAll(coordinator, TWO);
    assertEquals([textOf(`${PATH}.1`), textOf(`${PATH}.2`)], [encodeFlareXml(MAP1), encodeStoredMap(TWO)]);
    assertEquals(textOf(PATH), encodeStoredMap(TWO));
  });

  it("keeps a copy of each of the last ten stores", async () => {
    const coordinator = given({});
    const stores = Array.from({ length: 25 }, (_, i) => ({ map: MAP1, term: i + 1 }));
    await storeAll(coordinator, ...stores);
    const copies = (await files.list("/data"))
      .filter((name) => /\.\d+$/.test(name))
      .map((name) => Number(name.split(".").pop()));
    assertEquals(
      copies.sort((a, b) => a - b),
      [16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
    );
    assertEquals(textOf(`${PATH}.25`), textOf(PATH));
  });

  it("goes on with a store that was interrupted before the file was replaced", async () => {
    const coordinator = given({});
    await storeAll(coordinator, ONE, TWO);
    const before = textOf(`${PATH}.1`);
    write(PATH, before);
    const found = await open().restore();
    assertEquals([found.map, found.term], [TWO.map, TWO.term]);
    const three = { map: withNode(MAP2, "c"), term: 1 };
    assert((await open().store(three, found.token)) !== undefined);
    assertEquals([textOf(PATH), textOf(`${PATH}.previous`)], [encodeStoredMap(three), encodeStoredMap(TWO)]);
    // Where only the term was another.
    await storeAll(open(), { ...three, term: 2 });
    write(PATH, encodeStoredMap(three));
    assertEquals((await open().restore()).term, 2);
  });

  it("takes over what the original or an operator wrote, unless it is older", async () => {
    await storeAll(given({}), ONE, TWO);
    const three = withNode(MAP2, "c");
    write(PATH, encodeFlareXml(three));
    const { map, term } = await open().restore();
    assertEquals([map, term], [three, TWO.term], "the original knows no term");
    const edited = encodeStoredMap(TWO)
      .replace(/balance>0</, "balance>9<")
      .replace(/checksum>\w+</, "checksum>unchecked<");
    write(PATH, edited);
    assertEquals((await open().restore()).map.nodes[0]?.balance, 9);
    write(PATH, encodeFlareXml(withNode(EMPTY_NODE_MAP, "x")));
    assertEquals((await open().restore()).map, MAP2);
  });

  it("lets one of several that share the directory win each store, and nobody lose one", async () => {
    given({ [PATH]: encodeFlareXml(MAP1) });
    const sharers = Array.from({ length: 5 }, open);
    for (let round = 1; round <= 10; round++) {
      const { token } = await open().restore();
      const outcomes = await Promise.all(sharers.map((each, i) => each.store({ map: MAP1, term: round * 10 + i }, token)));
      const won = outcomes.flatMap((outcome, i) => (outcome === undefined ? [] : [round * 10 + i]));
      assertEquals([won.length, (await open().restore()).term], [1, won[0]]);
    }
  });

  it("notices that somebody else changed the file", async () => {
    const coordinator = given({ [PATH]: encodeFlareXml(MAP1) });
    const { token } = await coordinator.restore();
    write(PATH, encodeFlareXml(MAP2));
    assertEquals(await coordinator.store(ONE, token), undefined);
  });

  it("says what to do when the map is missing or damaged, and guesses nothing", async () => {
    for (const [damage, problem] of [
      [undefined, `"${PATH}" with the cluster's node map is missing: `],
      ["", `"${PATH}" with the cluster's node map is missing: `],
      ["garbage", `node map in "${PATH}" is damaged: `],
      [
        encodeStoredMap(TWO).replace("balance>0<", "balance>1<"),
        `node map in "${PATH}" is damaged: its content has the checksum`,
      ],
    ] as const) {
      await storeAll(given({}), ONE, TWO);
      write(`${PATH}.2`, "garbage");
      if (damage === undefined) files.files.delete(PATH);
      else write(PATH, damage);
      const { map, term, lost } = await open().restore();
      assertEquals([map, term], [EMPTY_NODE_MAP, 0]);
      assert(lost?.startsWith(problem), lost);
      assert(lost?.includes(`--output "${PATH}"), or put "${PATH}.1" in its place, which has version 1; `), lost);
      assert(lost?.endsWith(`to start a cluster without nodes, remove "${PATH}" and "${MARK}"`), lost);
      files.files.delete(PATH);
      files.files.delete(MARK);
      const fresh = await open().restore();
      assertEquals([fresh.map, fresh.lost], [EMPTY_NODE_MAP, undefined]);
      await storeAll(open(), { map: EMPTY_NODE_MAP, term: 1 });
      assertEquals((await open().restore()).map, EMPTY_NODE_MAP);
    }
  });

  it("is empty when there is nothing or only nothing", async () => {
    assertEquals((await given({}).restore()).map, EMPTY_NODE_MAP);
    assertEquals((await given({ [PATH]: "" }).restore()).lost, undefined);
  });

  it("warns of a damaged copy and goes on with the file", async () => {
    await storeAll(given({}), ONE);
    write(`${PATH}.1`, "garbage");
    assertEquals((await open().restore()).map, MAP1);
    assert(world.logged[0]?.startsWith(`warning node map in "${PATH}.1" is damaged`), world.logged[0]);
    await storeAll(open(), TWO);
    assertEquals((await open().restore()).map, MAP2);
  });

  it("has no record of a store that did not happen, whoever stores next", async () => {
    const record = (cause: string) => ({ version: 1, term: 1, atMs: 1, server: "i:1", cause, events: [] });
    const causes = async () => (await open().history()).map(({ cause }) => cause);
    const coordinator = given({});
    await coordinator.store(ONE, (await coordinator.restore()).token, record("first"));
    const { create } = files;
    files.create = () => Promise.reject(new FlareError("DISK_FULL", "no space"));
    const { token } = await coordinator.restore();
    await assertRejects(() => coordinator.store(TWO, token, record("not stored")), FlareError);
    files.create = create;
    assertEquals(await causes(), ["first"]);
    // What the original writes gets the number of the store that failed.
    write(PATH, encodeFlareXml(withNode(MAP2, "c")));
    await coordinator.store({ map: withNode(MAP2, "d"), term: 1 }, (await coordinator.restore()).token, record("next"));
    assertEquals(await causes(), ["first", "next"]);
  });

  it("stores nothing if the history cannot be written", async () => {
    const coordinator = given({});
    const { token } = await coordinator.restore();
    files.replaceFault = new FlareError("DISK_FULL", "no space");
    const record = { version: 1, term: 1, atMs: 1, server: "i:1", cause: "", events: [] };
    await assertRejects(() => coordinator.store(ONE, token, record), FlareError);
    files.replaceFault = undefined;
    assertEquals((await coordinator.restore()).token, token);
  });

  it("keeps a second index server of this machine out", async () => {
    const coordinator = given({});
    await coordinator.open();
    const error = (await assertRejects(() => open().open(), FlareError)) as FlareError;
    assertEquals(error.code, "DATA_DIR_LOCKED");
    assert(error.message.startsWith(`"${PATH}.lock" is locked by process `), error.message);
    await coordinator.close();
    const next = open();
    await next.open();
    await next.close();
  });

  it("passes on a full disk, and what was stored before stays", async () => {
    const coordinator = given({});
    await storeAll(coordinator, ONE);
    files.replaceFault = new FlareError("DISK_FULL", "no space");
    const { token } = await coordinator.restore();
    const error = (await assertRejects(() => coordinator.store(TWO, token), FlareError)) as FlareError;
    assertEquals(error.code, "DISK_FULL");
    // The copy is there: who reads back learns that it was stored.
    assertEquals((await coordinator.restore()).map, MAP2);
  });
});
