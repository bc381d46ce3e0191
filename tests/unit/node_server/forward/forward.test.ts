/**
 * The one way to other nodes for reads and the one for writes: what is tried again, where, and what is thrown.
 *
 * Covers lib/node_server/forward/read_forward.ts, lib/node_server/forward/write_forward.ts and
 * lib/node_server/forward/refusals.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { type ClusterNode, createNode, NodeRole, NodeState } from "../../../../lib/cluster/node.ts";
import { createNodeMap } from "../../../../lib/cluster/node_map.ts";
import { LOCAL, NO_PARTITION, PROXY_FAILURE, type Route } from "../../../../lib/cluster/routing.ts";
import type { Peer } from "../../../../lib/net/peer/peer.ts";
import { PeerError } from "../../../../lib/net/peer/peer_link.ts";
import { ReadForward } from "../../../../lib/node_server/forward/read_forward.ts";
import { failureText } from "../../../../lib/node_server/forward/refusals.ts";
import { WriteForward } from "../../../../lib/node_server/forward/write_forward.ts";
import { nodeCommandSet } from "../../../../lib/node_server/node_command_table.ts";
import { Command } from "../../../../lib/protocol/command.ts";
import { fillMutation } from "../../../../lib/protocol/meta/meta_mutation.ts";
import { Request } from "../../../../lib/protocol/request.ts";
import { TextParser } from "../../../../lib/protocol/text/text_parser.ts";
import type { Clock, Timer } from "../../../../lib/runtime/runtime.ts";

const LIMITS = { lineBytesMax: 2048, keyBytesMax: 250, valueBytesMax: 1000 };
const KEY = { bytes: fromLatin1("k"), start: 0, end: 1 };
const [A, B] = ["a", "b"].map((host) =>
  createNode({ host, port: 1, role: NodeRole.master, state: NodeState.active, partition: 0, balance: 1, threadType: 16 }),
) as [ClusterNode, ClusterNode];

const lost = (mayHaveHappened: boolean): PeerError =>
  new PeerError(new FlareError("CONNECTION_FAILED", "connection lost"), mayHaveHappened);

/** No newer map can be had. */
const stay = (): Promise<void> => Promise.resolve();

/** Parts of a node whose map names `routes`, one after the other; pauses end at once and are counted. */
function world(...routes: readonly Route[]) {
  const asked: string[] = [];
  const left = [...routes];
  const next = (): Route => (left.length > 1 ? left.shift() : left[0]) as Route;
  const state = { pauses: 0, queue: 0 };
  const clock: Pick<Clock, "setTimer"> = {
    setTimer: (callback): Timer => {
      state.pauses++;
      queueMicrotask(callback);
      return {} as Timer;
    },
  };
  const lane = (node: { readonly key: string }): Peer => {
    asked.push(node.key);
    return { queue: state.queue, peer: node.key } as Peer;
  };
  const parts = {
    runtime: { clock: { nowMs: () => 0, ...clock } as Clock, log: { write: () => undefined }, random: { uint32: () => 0 } },
    options: { maxTotalThreadQueue: 0 },
    routing: {
      masterOf: () => A,
      masterIfSlave: () => undefined,
      routeRead: next,
      routeReadAgain: next,
      routeWrite: next,
      partitionCount: 1,
      gaveAway: () => false,
      nodeMap: createNodeMap(1, [A, B], 0),
      settling: false,
      self: undefined,
    },
    keyHash: () => 0,
    otherCluster: { node: undefined },
    peers: { lane, queue: 0 },
    follower: { sequence: undefined as number | undefined, source: undefined },
    storage: { read: () => Promise.resolve(undefined) },
    visibility: {
      canShow: () => true,
      isShown: () => true,
      master: "a:1" as string | undefined,
      mayBeLate: false,
      settled: (_: string | undefined) => Promise.resolve<FlareError | undefined>(undefined),
    },
    selfKey: "self:1",
  };
  return { asked, state, parts };
}

describe("a read of a key of another node", () => {
  it("is asked of the next replica when one is lost or answers an error, and says the first value", async () => {
    const { parts, asked, state } = world(A, B, PROXY_FAILURE);
    const reads = new ReadForward(parts, stay);
    assertEquals(
      await reads.read(KEY, (lane) => (lane.peer === "a:1" ? Promise.reject(lost(true)) : Promise.resolve({ value: 5 }))),
      { value: 5 },
    );
    assertEquals([asked, state.pauses], [["a:1", "b:1"], 0]);
  });

  it("fails with what a replica answered, at once, and after some rounds where nobody answers", async () => {
    const answering = world(A, PROXY_FAILURE);
    const error = "SERVER_ERROR corrupt record";
    assertEquals(await new ReadForward(answering.parts, stay).read(KEY, () => Promise.resolve({ error })), { error });
    assertEquals([answering.asked, answering.state.pauses], [["a:1"], 0]);
    const silent = world(A, PROXY_FAILURE, A, PROXY_FAILURE, A, PROXY_FAILURE, A, PROXY_FAILURE);
    const reading = await new ReadForward(silent.parts, stay).read(KEY, () => Promise.reject(lost(false)));
    assertEquals(reading, { error: "SERVER_ERROR proxy failure" });
    assertEquals([silent.asked.length, silent.state.pauses], [4, 3]);
  });

  it("is routed by its hash each time: there may be more partitions when it is retried", async () => {
    const { parts } = world(A);
    const hashes: number[] = [];
    const routeRead = (hash: number): Route => (hashes.push(hash) > 1 ? LOCAL : A);
    const routing = { ...parts.routing, routeRead, routeReadAgain: (): Route => PROXY_FAILURE };
    const reads = new ReadForward({ ...parts, keyHash: () => 77, routing }, stay);
    assertEquals([await reads.read(KEY, () => Promise.reject(lost(false))), hashes], [LOCAL, [77, 77]]);
    assertEquals([reads.isHere(KEY), hashes.at(-1)], [true, 0]);
  });

  it("is done here, or nowhere, as the map says", async () => {
    const never = (): Promise<never> => assert(false) as never;
    assertEquals(await new ReadForward(world(LOCAL).parts, stay).read(KEY, never), LOCAL);
    assertEquals(await new ReadForward(world(NO_PARTITION).parts, stay).read(KEY, never), {
      error: "SERVER_ERROR no partition available",
    });
  });

  it("is the master's while a slave may not show what it has, and fails if the master is silent", async () => {
    const { parts, asked } = world(LOCAL);
    const visibility = { ...parts.visibility, canShow: () => false, isShown: () => false };
    const reads = new ReadForward({ ...parts, visibility }, stay);
    assertEquals([reads.isHere(KEY), await reads.read(KEY, () => Promise.resolve({ value: 5 }))], [false, { value: 5 }]);
    assertEquals(asked, ["a:1"]);
    const silent = () => Promise.reject(lost(true));
    assertEquals(await reads.read(KEY, silent), { error: "SERVER_ERROR proxy failure" });
    const late = new ReadForward({ ...parts, visibility: { ...visibility, mayBeLate: true } }, stay);
    assertEquals(await late.read(KEY, silent), LOCAL);
  });

  it("waits here until the item may be shown, or says why it may not", async () => {
    const { parts } = world(LOCAL);
    const fault = new FlareError("IO_ERROR", "disk on fire");
    const outcomes = [undefined, fault];
    const settled = () => Promise.resolve(outcomes.shift());
    const reads = new ReadForward({ ...parts, visibility: { ...parts.visibility, isShown: () => false, settled } }, stay);
    assertEquals([reads.isHere(KEY), await reads.read(KEY, () => assert(false) as never)], [false, LOCAL]);
    assertEquals(await reads.readHere(KEY, 0), undefined);
    assertEquals(await assertRejects(() => reads.readHere(KEY, 0)), fault);
  });

  it("is asked of its master if it may not be shown any more when it is found, and fails if nobody else may", async () => {
    for (const isSlave of [true, false]) {
      const { parts, asked } = world(LOCAL);
      const fault = new FlareError("REFUSED", "its master does not renew its lease", { retriable: true });
      let isHeld = true;
      const read = async () => {
        isHeld = false;
        return undefined;
      };
      const visibility = {
        ...parts.visibility,
        canShow: () => isHeld || !isSlave,
        isShown: () => isHeld,
        settled: () => Promise.resolve(isHeld ? undefined : fault),
      };
      const reads = new ReadForward({ ...parts, storage: { read }, visibility }, stay);
      const reading = reads.readItem(KEY, () => Promise.resolve({ value: 5 }), undefined);
      if (isSlave) assertEquals([await reading, asked], [{ value: 5 }, ["a:1"]]);
      else assertEquals([await assertRejects(() => reading), asked], [fault, []]);
    }
  });

  it("shows nothing that was read before the master changed, whatever this node may show since then", async () => {
    const { parts } = world(LOCAL);
    const fault = new FlareError("REFUSED", "the master has changed");
    const visibility = {
      ...parts.visibility,
      settled: (master: string | undefined) => Promise.resolve(master === visibility.master ? undefined : fault),
    };
    const read = async () => {
      visibility.master = undefined;
      return undefined;
    };
    const reads = new ReadForward({ ...parts, storage: { read }, visibility }, stay);
    assertEquals(await assertRejects(() => reads.readHere(KEY, 0)), fault);
    assertEquals(await reads.readHere(KEY, 0), undefined);
  });

  it("is not added to a lane on which very many wait", async () => {
    const { parts, state } = world(A, PROXY_FAILURE);
    state.queue = 65536;
    const reading = await new ReadForward(parts, stay).read(KEY, () => assert(false) as never);
    assertEquals(reading, { error: "SERVER_ERROR proxy failure" });
  });

  it("hides no bug and no fault of this node: another replica is not asked", async () => {
    for (const fault of [new TypeError("x is not a function"), new FlareError("IO_ERROR", "disk")]) {
      const { parts, asked } = world(A, B, PROXY_FAILURE);
      const error = await assertRejects(() => new ReadForward(parts, stay).read(KEY, () => Promise.reject(fault)));
      assertEquals([error, asked], [fault, ["a:1"]]);
    }
  });
});

describe("a write of a key of another node", () => {
  it("goes to whom the newest map names, as long as it has not left", async () => {
    const { parts, asked, state } = world(B);
    const answer = await new WriteForward(parts, stay).send(A, KEY, (lane) =>
      lane.peer === "a:1" ? Promise.reject(lost(false)) : Promise.resolve("STORED"),
    );
    assertEquals([answer, asked, state.pauses], ["STORED", ["a:1", "b:1"], 0]);
  });

  it("waits for the map to change, a few times", async () => {
    const { parts, asked, state } = world(A);
    const error = await new WriteForward(parts, stay).send(A, KEY, () => Promise.reject(lost(false)));
    assert(error instanceof PeerError);
    assertEquals([failureText(error), asked.length, state.pauses], ["SERVER_ERROR proxy failure", 4, 3]);
  });

  it("is not sent again when it may have arrived", async () => {
    const { parts, asked } = world(B);
    const error = await new WriteForward(parts, stay).send(A, KEY, () => Promise.reject(lost(true)));
    assert(error instanceof PeerError);
    assertEquals([failureText(error), asked], ["SERVER_ERROR proxy error", ["a:1"]]);
  });

  it("hides no bug", async () => {
    const { parts, asked } = world(B);
    const bug = new TypeError("x is not a function");
    assertEquals(await assertRejects(() => new WriteForward(parts, stay).send(A, KEY, () => Promise.reject(bug))), bug);
    assertEquals(asked, ["a:1"]);
  });
});

describe("a write that a node forwards to a slave", () => {
  const requestOf = (line: string): Request => {
    const request = new Request();
    const bytes = fromLatin1(`${line}\r\nx\r\n`);
    new TextParser(LIMITS, nodeCommandSet.words).parse(request, bytes, 0, bytes.length, 0);
    if (request.command === Command.mg) fillMutation(request, 0);
    return request.clone();
  };
  /** Where it is executed by a slave of a:1. */
  const where = (line: string, sequence?: number): string => {
    const { parts } = world(LOCAL);
    const routing = { ...parts.routing, masterIfSlave: () => A };
    const route = new WriteForward({ ...parts, routing, follower: { sequence, source: undefined } }, stay).route(
      requestOf(line),
      0,
    );
    return route === LOCAL ? "here" : typeof route === "object" ? route.key : "nowhere";
  };

  it("is the master's, whoever forwards it, also if that is the master by this node's map and no other one's", () => {
    for (const sender of ["c:3", "a:1"]) {
      for (const line of ["set k 0 0 1", "add k 0 0 1", "append k 0 0 1", "incr k 1", "delete k 0", "cas k 0 0 1 7"]) {
        assertEquals(where(`<${sender}>${line}`), "a:1", `${sender} ${line}`);
      }
    }
    for (const line of ["touch k 100", "mg k T100", "mg k N100 E7"]) assertEquals(where(`<c:3>${line}`), "a:1", line);
  });

  it("is executed if it is what a master replicates", () => {
    for (const line of ["set k 0 0 1 7", "delete k 0 7", "touch k 100", "touch k 100 7", "mg k T100", "mg k T100 E7 X"])
      assertEquals(where(`<a:1>${line}`), "here", line);
    for (const line of ["touch k 100", "mg k T100"])
      assertEquals(where(`<a:1>${line}`, 0), "nowhere", `${line}: its stream has begun, it replicates nothing as a line`);
  });
});
