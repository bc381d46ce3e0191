/**
 * What a program gives is checked: unknown names are refused with the one that was meant, wrong values with what is allowed.
 *
 * Covers lib/base/errors.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { checkFields, functionField, integerField, objectField, shown, stringField } from "../../../lib/base/given_fields.ts";
import { booleanOption, hostPortsOption, integerOption } from "../../../lib/base/option_schema.ts";
import { similarName } from "../../../lib/base/similar_name.ts";

const described = { since: "2.0.0", help: "an option" };
const fields = {
  partitions: integerField(1, 64),
  onProgress: functionField,
  pauseMs: integerOption({ ...described, name: "pause", default: 5, min: 1, max: 100, unit: "s", scale: 1000 }),
  enabled: booleanOption({ ...described, name: "enabled", default: false }),
  servers: hostPortsOption({ ...described, name: "servers" }),
  access: objectField({ authFile: stringField }),
};

/** The message of what is refused. */
function refusal(given: unknown): string {
  const { code, message } = assertThrows(() => checkFields(fields, given), FlareError);
  assertEquals(code, "INVALID_OPTION");
  return message;
}

describe("the fields of an object", () => {
  it("may be given, left out or undefined", () => {
    checkFields(fields, {});
    checkFields(fields, { partitions: undefined, access: undefined });
    const servers = [{ host: "a", port: 1 }];
    checkFields(fields, { partitions: 64, onProgress() {}, pauseMs: 50, enabled: true, servers, access: { authFile: "" } });
  });

  it("that are unknown are refused with the name that was meant, or all names", () => {
    assertEquals(refusal({ partitons: 2 }), 'unknown option "partitons"; did you mean "partitions"?');
    assertEquals(refusal({ access: { authfile: "x" } }), 'unknown option "access.authfile"; did you mean "authFile"?');
    assertEquals(
      refusal({ colour: "red" }),
      'unknown option "colour"; allowed are partitions, onProgress, pauseMs, enabled, servers, access',
    );
    assertEquals(refusal(JSON.parse('{"__proto__": 1}')).startsWith('unknown option "__proto__"'), true);
  });

  it("of another type or range are refused with the value and what is allowed, in the unit of the program", () => {
    for (const [given, message] of [
      [{ partitions: "2" }, 'option "partitions": the string "2" is not an integer from 1 to 64'],
      [{ partitions: 65 }, 'option "partitions": "65" is not an integer from 1 to 64'],
      [{ partitions: Number.NaN }, 'option "partitions": "NaN" is not an integer from 1 to 64'],
      [{ partitions: 2n }, 'option "partitions": the bigint "2" is not an integer from 1 to 64'],
      [{ partitions: null }, 'option "partitions": "null" is not an integer from 1 to 64'],
      [{ pauseMs: 100001 }, 'option "pauseMs": "100001" is not an integer from 1 to 100000'],
      [{ enabled: "false" }, 'option "enabled": the string "false" is not true or false'],
      [{ onProgress: true }, 'option "onProgress": "true" is not a function'],
      [{ access: "users.txt" }, 'option "access": the string "users.txt" is not an object with options'],
      [{ access: { authFile: 5 } }, 'option "access.authFile": "5" is not a string'],
    ] as const) {
      assertEquals(refusal(given), message);
    }
    assertEquals(refusal({ servers: ["a:1"] }).startsWith('option "servers": ["a:1"] is not an array of { host, port }'), true);
  });

  it("are those of an object", () => {
    for (const wrong of ["data", 5, null, undefined, [], () => 1]) {
      assertEquals(refusal(wrong), `options: ${shown(wrong)} is not an object with options`);
    }
    assertEquals(refusal(Promise.resolve({})), "options: a promise (await it) is not an object with options");
  });
});

describe("the name that was meant", () => {
  const names = ["partitions", "partitionSize", "dataDir", "monitorIntervalMs", "port", "slaves"];

  it("differs by a few letters, by its case and dashes, or is longer", () => {
    for (const [given, meant] of [
      ["partitons", "partitions"],
      ["partiitons", "partitions"],
      ["data-dir", "dataDir"],
      ["DATA_DIR", "dataDir"],
      ["monitorInterval", "monitorIntervalMs"],
      ["prot", "port"],
      ["slave", "slaves"],
      ["replicas", undefined],
      ["x", undefined],
      ["", undefined],
    ] as const) {
      assertEquals(similarName(given, names), meant, given);
    }
  });
});
