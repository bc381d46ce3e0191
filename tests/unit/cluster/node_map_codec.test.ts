/** NODE and META lines both ways, with everything a reader must take and must not. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ClusterNode, NodeRole, NodeState } from "../../../lib/cluster/node.ts";
import { createNode } from "../../../lib/cluster/node.ts";
import { createNodeMap, EMPTY_NODE_MAP } from "../../../lib/cluster/node_map.ts";
import {
  encodeMeta,
  encodeNodeLine,
  encodeNodeList,
  encodeNodeSync,
  META_DEFAULTS,
  parseMeta,
  parseNodeLine,
} from "../../../lib/cluster/node_map_codec.ts";

const A = createNode({ host: "127.0.0.1", port: 22121, role: 0, state: 0, partition: 0, balance: 1, threadType: 16 });
const B = createNode({ host: "127.0.0.1", port: 22122, role: 2, state: 2, partition: -1, balance: 0, threadType: 17 });

const nodeArbitrary: fc.Arbitrary<ClusterNode> = fc
  .record({
    host: fc.stringMatching(/^[a-z0-9.-]{1,20}$/),
    port: fc.integer({ min: 0, max: 65535 }),
    role: fc.constantFrom<NodeRole[]>(0, 1, 2),
    state: fc.constantFrom<NodeState[]>(0, 1, 2, 3),
    partition: fc.integer({ min: -1, max: 1023 }),
    balance: fc.nat({ max: 0x7fffffff }),
    threadType: fc.nat({ max: 1_000_000 }),
  })
  .map(createNode);

describe("NODE lines", () => {
  it("are written as Flare writes them", () => {
    const map = createNodeMap(18446744073709551615n, [B, A], 18);
    assertEquals(
      encodeNodeSync(map),
      "node sync 18446744073709551615\r\nNODE 127.0.0.1 22121 0 0 0 1 16\r\nNODE 127.0.0.1 22122 2 2 -1 0 17\r\nEND\r\n",
    );
    assertEquals(encodeNodeList(EMPTY_NODE_MAP), "END\r\n");
  });

  it("come back as they went", () => {
    fc.assert(
      fc.property(nodeArbitrary, (node) => assertEquals(parseNodeLine(encodeNodeLine(node).slice(0, -2)), node)),
      { seed: 7 },
    );
  });

  it("may have words behind the seventh field and more than one blank", () => {
    assertEquals(parseNodeLine("NODE 127.0.0.1 22121 0 0 0 1 16 99 foo"), A);
    assertEquals(parseNodeLine("NODE  127.0.0.1 22121 0 0  0 1 16 "), A);
  });

  it("are refused when malformed", () => {
    for (const line of [
      "",
      "BOGUS",
      "END",
      "node 127.0.0.1 22121 0 0 0 1 16",
      "NODE",
      "NODE h 1 0 0 0",
      "NODE h 1 0 0 0 1",
      "NODE h x 0 0 0 1 16",
      "NODE h 65536 0 0 0 1 16",
      "NODE h -1 0 0 0 1 16",
      "NODE h 1 3 0 0 1 16",
      "NODE h 1 -1 0 0 1 16",
      "NODE h 1 0 4 0 1 16",
      "NODE h 1 0 0 -2 1 16",
      "NODE h 1 0 0 0 -1 16",
      "NODE h 1 0 0 0 1 -16",
      "NODE h 1 0 0 0 1.5 16",
      "NODE h 1 0 0 0 1e3 16",
      "NODE h 1 0 0 0 2147483648 16",
      "NODE h 1 0 0 0 99999999999 16",
      "NODE h 1 0 0 0x1 1 16",
    ])
      assertEquals(parseNodeLine(line), undefined, line);
  });
});

describe("META lines", () => {
  it("are written as Flare writes them", () => {
    assertEquals(
      encodeMeta(META_DEFAULTS),
      "META partition-size 1024\r\nMETA key-hash-algorithm simple\r\nMETA partition-type modular\r\n" +
        "META partition-modular-hint 1\r\nMETA partition-modular-virtual 4096\r\nEND\r\n",
    );
  });

  it("come back as they went", () => {
    const meta = { partitionSize: 64, keyHashAlgorithm: "jenkins", hint: 3, virtual: 1000 } as const;
    for (const [takesNodeData, keepsInSyncSet] of [[false, false] as const, [true, false] as const, [true, true] as const]) {
      const each = { ...meta, takesNodeData, keepsInSyncSet };
      assertEquals(parseMeta(encodeMeta(each).split("\r\n").slice(0, -2)), each);
    }
  });

  it("may be missing, unknown, or have words behind the value", () => {
    assertEquals(parseMeta([]), META_DEFAULTS);
    assertEquals(parseMeta(["META future-key 5", "META partition-type modular extra", "META partition-modular-hint 2"]), {
      ...META_DEFAULTS,
      hint: 2,
    });
  });

  it("are refused when malformed", () => {
    for (const line of [
      "ERROR",
      "",
      "meta partition-size 1",
      "META partition-type consistent",
      "META partition-type",
      "META key-hash-algorithm md5",
      "META key-hash-algorithm",
      "META partition-size x",
      "META partition-modular-hint",
      "META partition-modular-virtual 1.5",
    ])
      assertEquals(parseMeta(["META partition-size 16", line]), undefined, line);
  });
});
