/**
 * The form of config files.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { fitsConfigFile, parseConfigFile } from "../../../lib/base/config_file.ts";
import { FlareError } from "../../../lib/base/errors.ts";

function entries(text: string): [string, string, number][] {
  return parseConfigFile(text, "flared.conf").map(({ name, value, line }) => [name, value, line]);
}

function refusal(text: string): string {
  const error = assertThrows(() => parseConfigFile(text, "flared.conf"), FlareError);
  assertEquals(error.code, "INVALID_OPTION");
  return error.message;
}

describe("parseConfigFile", () => {
  it("takes name and value around the first equals sign, blanks or not", () => {
    assertEquals(entries("server-port=1\n  data-dir =  /var/lib/flare  \nindex-db = a=b\n"), [
      ["server-port", "1", 1],
      ["data-dir", "/var/lib/flare", 2],
      ["index-db", "a=b", 3],
    ]);
  });

  it("skips empty lines and comments, also behind a value", () => {
    assertEquals(entries("# head\n\n   \r\nserver-port = 12121 # the usual one\r\n#server-port = 2\n"), [
      ["server-port", "12121", 4],
    ]);
  });

  it("takes an empty value and a last line without a line end", () => {
    assertEquals(entries("daemonize =\nserver-socket ="), [
      ["daemonize", "", 1],
      ["server-socket", "", 2],
    ]);
    assertEquals(entries(""), []);
  });

  it("keeps names as they are written", () => {
    assertEquals(
      entries("Server-Port = 1\nserver-port = 2").map(([name]) => name),
      ["Server-Port", "server-port"],
    );
  });

  it("refuses a line that is not name = value, naming file and line", () => {
    assertEquals(
      refusal("server-port = 1\nserver-port"),
      'config file "flared.conf" line 2: "server-port" is not "name = value"',
    );
    assertEquals(refusal("= 1"), 'config file "flared.conf" line 1: "= 1" is not "name = value"');
    assertEquals(refusal("[network]\nserver-port = 1"), 'config file "flared.conf" line 1: "[network]" is not "name = value"');
  });

  it("refuses a name given twice", () => {
    assertEquals(refusal("a = 1\nb = 2\na = 1"), 'config file "flared.conf" line 3: "a" is already in line 1');
  });
});

describe("fitsConfigFile", () => {
  it("is true exactly for values that come back as they were", () => {
    for (const value of ["", "a", "a b", "a=b", "/x/y-1.z"]) assertEquals(fitsConfigFile(value), true, value);
    for (const value of ["a#b", " a", "a ", "a\nb"]) assertEquals(fitsConfigFile(value), false, value);
  });
});
