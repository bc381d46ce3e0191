/** What a data directory says of itself: there and back, and no damaged byte goes unnoticed. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import {
  type DirectoryRecord,
  decodeDirectoryRecord,
  encodeDirectoryRecord,
  newDirectoryRecord,
  newIdentity,
  nextIncarnation,
} from "../../../../lib/storage/directory/directory_record.ts";

const RUNNING: DirectoryRecord = {
  identity: { id: "0123456789abcdef0123456789abcdef", incarnation: 7 },
  checkpoint: 9007199254740991,
  wholeFrom: 3,
  lastSegment: 12,
  manifest: { name: "engine/MANIFEST-000004", bytes: 12345 },
  files: undefined,
};
const STOPPED: DirectoryRecord = {
  ...RUNNING,
  files: [
    { name: "engine/CURRENT", bytes: 16 },
    { name: "log/a name with blanks", bytes: 0 },
  ],
};

function decode(bytes: Uint8Array): DirectoryRecord {
  return decodeDirectoryRecord(bytes, "/data/FORMAT");
}

describe("a directory's record", () => {
  it("is read as it was written, running and stopped", () => {
    for (const record of [RUNNING, STOPPED, { ...RUNNING, manifest: undefined }, { ...RUNNING, files: [] }]) {
      assertEquals(decode(encodeDirectoryRecord(record)), record);
    }
  });

  it("is refused with any bit flipped and cut anywhere, and the file is named", () => {
    const whole = encodeDirectoryRecord(STOPPED);
    const refused = (bytes: Uint8Array, what: string): void => {
      const error = assertThrows(() => decode(bytes), FlareError) as FlareError;
      // A digit of the format may have become another one.
      assert(error.code === "CORRUPT" || error.code === "UNSUPPORTED", what);
      assert(error.message.includes('"/data/FORMAT"'), error.message);
    };
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = whole.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      refused(damaged, `bit ${bit}`);
    }
    for (let length = 0; length < whole.length; length++) refused(whole.slice(0, length), `${length} bytes`);
    refused(fromLatin1(`${latin1(whole)}x`), "a byte too many");
  });

  it("of a later version is refused by the name of its format", () => {
    const error = assertThrows(() => decode(fromLatin1("flare-kv data format 3\nsomething new\n")), FlareError) as FlareError;
    assertEquals(error.code, "UNSUPPORTED");
    assert(error.message.includes('"flare-kv data format 3"'), error.message);
  });

  it("of a new directory has an identity of its own; one that 2.0.0 made was opened before", () => {
    let draws = 0;
    const random = { uint32: () => draws++ };
    assertEquals(newIdentity(random), { id: "00000000000000010000000200000003", incarnation: 0 });
    assertEquals(newDirectoryRecord(random, false).identity.incarnation, 0);
    const { identity, checkpoint, lastSegment } = newDirectoryRecord(random, true);
    assertEquals([identity.incarnation, checkpoint, lastSegment], [1, 1, 0]);
    assertEquals(nextIncarnation(identity), { id: identity.id, incarnation: 2 });
  });
});
