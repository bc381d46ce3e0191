/**
 * The options of a storage: what the daemon takes is what the storage takes, and nothing else.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { nodeOptionTable } from "../../../lib/node_server/node_options.ts";
import { resolveStorageOptions, type StorageOptions, storageOptionTable } from "../../../lib/storage/storage_options.ts";

/** The smallest and the largest value a row takes, by its message: `an integer from 1 to 65535`. */
function boundsOf(allowedValue: string): readonly number[] {
  return (/^an integer from (-?\d+) to (\d+)$/.exec(allowedValue) ?? []).slice(1).map(Number);
}

describe("the options of a storage", () => {
  it("are rows of flared's own table", () => {
    for (const [field, option] of Object.entries(storageOptionTable)) {
      assertEquals(nodeOptionTable[field as keyof typeof storageOptionTable] === option, true, field);
    }
  });

  it("are taken up to their bounds and refused beyond them, as flared says", () => {
    let integers = 0;
    for (const [field, { allowedValue }] of Object.entries(storageOptionTable)) {
      const [min, max] = boundsOf(allowedValue);
      if (min === undefined || max === undefined) continue;
      integers++;
      const given = (value: number): StorageOptions => ({ [field]: value });
      for (const value of [min, max]) {
        assertEquals(resolveStorageOptions(given(value))[field as keyof typeof storageOptionTable], value);
      }
      for (const value of [min - 1, max + 1, min + 0.5, Number.NaN]) {
        assertThrows(
          () => resolveStorageOptions(given(value)),
          FlareError,
          `option "${field}": "${value}" is not ${allowedValue}`,
        );
      }
    }
    assertEquals(integers, 8);
  });

  it("have the defaults of flared", () => {
    const settings = resolveStorageOptions({});
    for (const [field, option] of Object.entries(storageOptionTable)) {
      assertEquals(settings[field as keyof typeof storageOptionTable], option.default, field);
    }
  });

  it("are refused when their name is wrong", () => {
    const given = { dataDir: "d", keyBytesMin: 3 } as StorageOptions;
    assertThrows(() => resolveStorageOptions(given), FlareError, 'unknown option "keyBytesMin"; did you mean "keyBytesMax"?');
  });
});
