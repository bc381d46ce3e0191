/**
 * Which source of a setting wins, what is refused, and what a reload applies.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { booleanOption, integerOption, textOption } from "../../../lib/base/option_schema.ts";
import type { SettingSources } from "../../../lib/base/settings.ts";
import { optionsWithoutEffect, printConfig, reloadSettings, resolveSettings } from "../../../lib/base/settings.ts";

const described = { since: "2.0.0", help: "an option" };
const table = {
  config: textOption({ ...described, name: "config", default: "", placeholder: "path", commandLineOnly: true }),
  serverPort: integerOption({ ...described, name: "server-port", default: 12121, min: 0, max: 65535 }),
  intervalMs: integerOption({ ...described, name: "interval", default: 5, min: 1, max: 60, scale: 1000, reloadable: true }),
  dataDir: textOption({ ...described, name: "data-dir", default: "", placeholder: "path" }),
  large: booleanOption({ ...described, name: "large", default: false, withoutEffect: "it is always there" }),
};

const file = (text: string) => ({ path: "f.conf", text });

function refusal(sources: SettingSources<typeof table>): string {
  const error = assertThrows(() => resolveSettings(table, sources), FlareError);
  assertEquals(error.code, "INVALID_OPTION");
  return error.message;
}

describe("resolveSettings", () => {
  it("uses the defaults where nobody says anything", () => {
    const { values, origins } = resolveSettings(table, {});
    assertEquals(values, { config: "", serverPort: 12121, intervalMs: 5000, dataDir: "", large: false });
    assertEquals(new Set(Object.values(origins)), new Set(["default"]));
  });

  it("prefers flag over environment over file over default", () => {
    const sources = {
      flags: { "server-port": "1" },
      environment: { FLARE_SERVER_PORT: "2", FLARE_INTERVAL: "20", OTHER: "x" },
      file: file("server-port = 3\ninterval = 30\ndata-dir = /d"),
    };
    const { values, origins } = resolveSettings(table, sources);
    assertEquals([values.serverPort, values.intervalMs, values.dataDir], [1, 20000, "/d"]);
    assertEquals(
      [origins.serverPort, origins.intervalMs, origins.dataDir, origins.large],
      ["flag", "environment FLARE_INTERVAL", 'config file "f.conf" line 3', "default"],
    );
  });

  it("refuses a wrong value wherever it comes from, even where another source wins", () => {
    const message = (origin: string) => `option "server-port" (${origin}): "x" is not an integer from 0 to 65535`;
    assertEquals(refusal({ flags: { "server-port": "x" } }), message("flag"));
    assertEquals(refusal({ environment: { FLARE_SERVER_PORT: "x" } }), message("environment FLARE_SERVER_PORT"));
    assertEquals(
      refusal({ flags: { "server-port": "1" }, file: file("\nserver-port = x") }),
      message('config file "f.conf" line 2'),
    );
  });

  it("refuses an unknown name in a file and says which are known", () => {
    assertEquals(
      refusal({ file: file("port = 5") }),
      'unknown option "port" with value "5" (config file "f.conf" line 1); allowed are server-port, interval, data-dir, large',
    );
  });

  it("leaves unknown variables of the environment alone", () => {
    assertEquals(resolveSettings(table, { environment: { FLARE_PORT: "tcp://10.0.0.1:5" } }).values.serverPort, 12121);
  });

  it("keeps options of the command line out of files", () => {
    assertEquals(
      refusal({ file: file("config = x") }),
      'option "config" (config file "f.conf" line 1): "x" is only allowed on the command line',
    );
  });

  it("takes a switch without a value as on, and false as off", () => {
    assertEquals(resolveSettings(table, { file: file("large =") }).values.large, true);
    assertEquals(resolveSettings(table, { file: file("large = false") }).values.large, false);
  });
});

describe("optionsWithoutEffect", () => {
  it("names only those somebody gave", () => {
    assertEquals(optionsWithoutEffect(table, resolveSettings(table, {})), []);
    assertEquals(optionsWithoutEffect(table, resolveSettings(table, { flags: { large: "false", "server-port": "1" } })), [
      "large",
    ]);
  });
});

describe("reloadSettings", () => {
  it("applies what is reloadable and names what needs a restart", () => {
    const before = resolveSettings(table, { file: file("interval = 10\nserver-port = 1") });
    const after = resolveSettings(table, { file: file("interval = 20\nserver-port = 2"), before });
    const { settings, needRestart } = reloadSettings(table, before, after);
    assertEquals([settings.values.intervalMs, settings.values.serverPort], [20000, 1]);
    assertEquals(settings.origins.serverPort, 'config file "f.conf" line 2');
    assertEquals(needRestart, ["server-port"]);
  });

  it("keeps what the new file no longer says", () => {
    const before = resolveSettings(table, { file: file("interval = 10") });
    const after = resolveSettings(table, { file: file(""), before });
    const { settings, needRestart } = reloadSettings(table, before, after);
    assertEquals([settings.values.intervalMs, needRestart], [10000, []]);
  });
});

describe("printConfig", () => {
  it("says where each value comes from", () => {
    const settings = resolveSettings(table, { flags: { interval: "9" }, environment: { FLARE_DATA_DIR: "/d" } });
    assertEquals(
      printConfig(table, settings),
      [
        "server-port = 12121 # default",
        "interval = 9 # flag",
        "data-dir = /d # environment FLARE_DATA_DIR",
        "large = false # default",
        "",
      ].join("\n"),
    );
  });

  it("gives the same settings again", () => {
    const { values } = resolveSettings(table, { flags: { interval: "9", large: "yes", "data-dir": "/a b" } });
    const printed = printConfig(table, resolveSettings(table, { flags: { interval: "9", large: "yes", "data-dir": "/a b" } }));
    assertEquals(resolveSettings(table, { file: file(printed) }).values, values);
  });

  it("does not write what a file would read differently", () => {
    const printed = printConfig(table, resolveSettings(table, { flags: { "data-dir": "/a#b" } }));
    assertEquals(printed.split("\n")[2], "# data-dir = /a#b (flag): a config file cannot contain this value");
  });
});
