/** Manifests as text and back, and what a draft can be continued with. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type BackupManifest,
  decodeManifest,
  draftRefusal,
  encodeManifest,
  totals,
} from "../../../../lib/admin/backup/manifest.ts";
import { FlareError } from "../../../../lib/base/errors.ts";

const file = {
  partition: 0,
  name: "partition-0.dump",
  node: "127.0.0.1:12121",
  history: "0123456789abcdef",
  momentMs: 2,
  sequence: 5,
  begunMs: 1,
  endedMs: 2,
  items: 3,
  deletions: 4,
  bytes: 5,
  sha256: "ab",
};
const manifest: BackupManifest = {
  version: "2.0.0",
  indexServer: "höst:12120",
  mapVersion: "18446744073709551615",
  partitioning: { partitions: 2, partitionSize: 1024, hint: 1, virtual: 4096, keyHashAlgorithm: "simple" },
  begunMs: 1,
  endedMs: 3,
  files: [file, { ...file, partition: 1, name: "partition-1.dump" }],
};

describe("a manifest", () => {
  it("is read as it was written", () => {
    assertEquals(decodeManifest(encodeManifest(manifest), "m"), manifest);
    assertEquals(JSON.parse(encodeManifest(manifest)).format, 1);
    assertEquals(totals(manifest), { items: 6, deletions: 8, bytes: 10 });
  });

  it("is refused when any of it is changed or missing", () => {
    const bytes = new TextEncoder().encode(encodeManifest(manifest));
    const read = (part: Uint8Array): unknown => decodeManifest(new TextDecoder().decode(part), "m");
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 127 }), (at, by) => {
        const other = bytes.slice();
        other[at] = (other[at] as number) ^ by;
        assertThrows(() => read(other), FlareError, '"m" is damaged');
        assertThrows(() => read(bytes.subarray(0, at)), FlareError, '"m" is damaged');
      }),
      { numRuns: 1000 },
    );
  });

  it("can be continued in the same shape of the cluster only", () => {
    const other = (change: Partial<BackupManifest["partitioning"]>): BackupManifest => {
      return { ...manifest, mapVersion: "9", partitioning: { ...manifest.partitioning, ...change } };
    };
    assertEquals(draftRefusal(manifest, other({})), undefined);
    assertEquals(draftRefusal(manifest, other({ partitions: 3 })), "it is of a cluster with 2 partitions, this one has 3");
    const parameters = "it is of a cluster with other partitioning parameters";
    assertEquals(draftRefusal(manifest, other({ virtual: 1024 })), parameters);
    assertEquals(draftRefusal(manifest, other({ keyHashAlgorithm: "jenkins" })), parameters);
  });
});
