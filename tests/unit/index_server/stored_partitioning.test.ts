/** What is stored about partitioning beside the node map, and what it overrides. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { overridingLines, withStored } from "../../../lib/index_server/stored_partitioning.ts";

const SETTINGS = indexServerOptions({ dataDir: "/data", partitionSize: 2048 });

describe("stored partitioning", () => {
  it("overrides the options, one by one", () => {
    assertEquals(withStored(SETTINGS, new Map()), SETTINGS);
    const stored = [
      ["partition-size", "512"],
      ["key-hash-algorithm", "crc32"],
      ["partition-modular-hint", "2"],
      ["partition-modular-virtual", "64"],
      ["partition-type", "modular"],
    ] as const;
    const merged = withStored(SETTINGS, new Map(stored));
    const { partitionSize, keyHashAlgorithm, partitionModularHint, partitionModularVirtual } = merged;
    assertEquals([partitionSize, keyHashAlgorithm, partitionModularHint, partitionModularVirtual], [512, "crc32", 2, 64]);
    const [first] = overridingLines(SETTINGS, merged);
    assertEquals(first, '"partition-size" is 512, stored beside the node map: the option\'s 2048 is not used');
    assertEquals(overridingLines(SETTINGS, merged).length, 4);
    assertEquals(overridingLines(SETTINGS, SETTINGS), []);
  });

  it("that is empty overrides nothing", () => {
    assertEquals(
      withStored(
        SETTINGS,
        new Map([
          ["partition-size", ""],
          ["partition-type", ""],
        ]),
      ),
      SETTINGS,
    );
  });

  it("that an option would not accept is refused", () => {
    for (const [name, text, message] of [
      ["partition-size", "1", '"partition-size", stored beside the node map: "1" is not an integer from 2 to 65535'],
      ["key-hash-algorithm", "md5", '"key-hash-algorithm", stored beside the node map: "md5" is not one of'],
      ["partition-type", "consistent", '"partition-type", stored beside the node map: "consistent" is not "modular"'],
    ] as const) {
      const error = assertThrows(() => withStored(SETTINGS, new Map([[name, text]])), FlareError) as FlareError;
      assertEquals([error.code, error.message.slice(0, message.length)], ["INVALID_OPTION", message]);
    }
  });
});
