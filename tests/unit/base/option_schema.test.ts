/**
 * How the text of an option becomes a value and back.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import {
  booleanOption,
  choiceOption,
  completeOptions,
  hostPortsOption,
  integerOption,
  pickOptions,
  portOption,
  reloadedOptions,
  textOption,
  withDefault,
} from "../../../lib/base/option_schema.ts";

const described = { since: "2.0.0", help: "an option" };
const port = integerOption({ ...described, name: "port", default: 7, min: 0, max: 65535 });
const interval = integerOption({ ...described, name: "interval", default: 5, min: 1, max: 100, unit: "s", scale: 1000 });
const on = booleanOption({ ...described, name: "on", default: false });
const word = choiceOption({ ...described, name: "word", default: "b", choices: ["a", "b"] });
const text = textOption({ ...described, name: "text", default: "", placeholder: "path" });
const servers = hostPortsOption({ ...described, name: "servers" });

describe("integerOption", () => {
  it("parses whole numbers in range only", () => {
    assertEquals(
      ["0", "+12", "65535", "007"].map((each) => port.parse(each)),
      [0, 12, 65535, 7],
    );
    for (const wrong of ["", " 1", "1 ", "1.5", "1e3", "0x10", "abc", "-1", "65536", "99999999999999999999"]) {
      assertEquals(port.parse(wrong), undefined, wrong);
    }
  });

  it("takes values in code that are finer than the text, from valueMin on", () => {
    const size = integerOption({
      ...described,
      name: "size",
      default: 2,
      min: 1,
      max: 4,
      unit: "MiB",
      scale: 1048576,
      valueMin: 4096,
    });
    assertEquals([size.allowed, size.allowedValue], ["an integer from 1 to 4 (MiB)", "an integer from 4096 to 4194304"]);
    assertEquals([4095, 4096, 5000, 4194304, 4194305].map(size.accepts), [false, true, true, true, false]);
    assertEquals(["0", "1", "4", "5"].map(size.parse), [undefined, 1048576, 4194304, undefined]);
    assertEquals([size.valueUnit, interval.valueUnit, port.valueUnit], ["bytes", "ms", undefined]);
  });

  it("scales the text's unit to the code's and back", () => {
    assertEquals(interval.default, 5000);
    assertEquals(interval.parse("2"), 2000);
    assertEquals(interval.format(2000), "2");
    assertEquals(interval.parse("101"), undefined);
    assertEquals(interval.allowed, "an integer from 1 to 100 (s)");
  });

  it("lets a program be finer than a file", () => {
    assertEquals([50, 100000].map(interval.accepts), [true, true]);
    assertEquals([0, 100001, 1.5, "5", Number.NaN, undefined].map(interval.accepts), [
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("booleanOption", () => {
  it("knows the words of the original, and the bare name", () => {
    assertEquals(
      ["", "true", "on", "yes", "1", "True", "ON"].map((each) => on.parse(each)),
      Array(7).fill(true),
    );
    assertEquals(
      ["false", "off", "no", "0", "False"].map((each) => on.parse(each)),
      Array(5).fill(false),
    );
    assertEquals(
      ["2", "ja", " true"].map((each) => on.parse(each)),
      [undefined, undefined, undefined],
    );
  });
});

describe("choiceOption", () => {
  it("takes its words only, as they are written", () => {
    assertEquals(
      ["a", "b", "A", "", "c"].map((each) => word.parse(each)),
      ["a", "b", undefined, undefined, undefined],
    );
    assertEquals(word.allowed, 'one of "a", "b"');
  });
});

describe("textOption", () => {
  it("takes one line", () => {
    assertEquals(text.parse("/var/lib flare"), "/var/lib flare");
    assertEquals([text.parse("a\nb"), text.parse("a\0")], [undefined, undefined]);
  });
});

describe("portOption", () => {
  it("takes ports, 0 only where that means something", () => {
    const [any, one] = ([0, 1] as const).map((min) => portOption({ ...described, name: "port", default: 1, min }));
    assertEquals(
      [-1, 0, 1, 65535, 65536].map((value) => [any?.accepts(value), one?.accepts(value)]),
      [
        [false, false],
        [true, false],
        [true, true],
        [true, true],
        [false, false],
      ],
    );
  });
});

describe("hostPortsOption", () => {
  it("parses pairs, comma separated, and gives them back", () => {
    const pairs = servers.parse("a:1, b.example.org:65535");
    assertEquals(pairs, [
      { host: "a", port: 1 },
      { host: "b.example.org", port: 65535 },
    ]);
    assertEquals(servers.format(pairs ?? []), "a:1,b.example.org:65535");
    assertEquals(servers.parse(""), []);
    for (const wrong of ["a", "a:", ":1", "a:0", "a:65536", "a:1,", "a:1 b:2", "a:x"])
      assertEquals(servers.parse(wrong), undefined, wrong);
  });
});

describe("completeOptions", () => {
  const table = { port, interval, on };

  it("fills in defaults and keeps what is given", () => {
    assertEquals(completeOptions(table, { on: true }), { port: 7, interval: 5000, on: true });
  });

  it("names the option, the value and what is allowed", () => {
    const wrong = assertThrows(() => completeOptions(table, { port: 70000 }), FlareError);
    assertEquals(wrong.message, 'option "port": "70000" is not an integer from 0 to 65535');
    const unknown = assertThrows(() => completeOptions(table, { ports: 1 } as object), FlareError);
    assertEquals(unknown.message, 'unknown option "ports"; did you mean "port"?');
    assertEquals([wrong.code, unknown.code], ["INVALID_OPTION", "INVALID_OPTION"]);
  });
});

describe("reloadedOptions", () => {
  const table = { port, interval: { ...interval, reloadable: true }, on: { ...on, reloadable: true } };
  const current = { port: 8, interval: 2000, on: true };

  it("takes what can be reloaded and is given", () => {
    assertEquals(reloadedOptions(table, current, { port: 8, on: false }), { port: 8, interval: 2000, on: false });
    assertEquals(reloadedOptions(table, current, { interval: undefined, port: undefined } as object), current);
  });

  it("takes the others as they are, or as they were given at the start", () => {
    assertEquals(reloadedOptions(table, current, { port: 0, on: false }, { ...current, port: 0 }), { ...current, on: false });
  });

  it("refuses a change that needs a restart", () => {
    const wanted = 'option "port" cannot change from "8" to "9" without a restart; nothing was changed';
    const error = assertThrows(() => reloadedOptions(table, current, { on: false, port: 9 }), FlareError);
    assertEquals([error.code, error.message], ["INVALID_OPTION", wanted]);
  });

  it("refuses what is not allowed", () => {
    assertThrows(() => reloadedOptions(table, current, { interval: 0 }), FlareError, 'option "interval": "0" is not');
    assertThrows(() => reloadedOptions(table, current, { of: true } as object), FlareError, 'unknown option "of"');
  });
});

describe("tables of options", () => {
  it("lend their values, and rows with another default", () => {
    const values = { port: 8, on: true };
    assertEquals(pickOptions({ on }, values), { on: true });
    const other = withDefault(port, 9);
    assertEquals([other.default, other.allowed, port.default], [9, port.allowed, 7]);
  });
});
