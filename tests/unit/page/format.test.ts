/** Figures as text. */

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  count,
  duration,
  milliseconds,
  percent,
  rate,
  share,
  time,
  UNKNOWN,
} from "../../../lib/web/browser/model/format.ts";

describe("a figure that is not known", () => {
  it("is a dash, never a zero", () => {
    for (const unknown of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const format of [count, rate, percent, bytes, milliseconds, duration]) assertEquals(format(unknown, "en"), UNKNOWN);
      assertEquals(time(unknown, 0, "en"), UNKNOWN);
      assertEquals([share(unknown, 1, "en"), share(1, unknown, "en")], [UNKNOWN, UNKNOWN]);
    }
    assertEquals(share(0, 0, "en"), UNKNOWN);
  });

  it("differs from zero", () => {
    for (const format of [count, rate, percent, bytes, milliseconds, duration]) assertMatch(format(0, "en"), /^0/);
    assertEquals(share(0, 5, "en"), "0%");
  });
});

describe("a figure", () => {
  it("is grouped, and a rate is rounded to what matters", () => {
    assertEquals(count(1234567.4, "en"), "1,234,567");
    assertEquals(
      ["0.42", "1.3", "12", "99,999", "1.2M"],
      [0.42, 1.26, 12.3, 99_999, 1_234_000].map((each) => rate(each, "en")),
    );
    assertEquals(percent(0.9876, "en"), "98.8%");
    assertEquals(share(1, 3, "en"), "25%");
  });

  it("has the unit that suits it", () => {
    assertEquals(
      [0, 1, 1023, 1024, 1536, 1024 ** 2 * 200, 1024 ** 6 * 5000].map((each) => bytes(each, "en")),
      ["0 B", "1 B", "1,023 B", "1 KiB", "1.5 KiB", "200 MiB", "5,120,000 PiB"],
    );
    assertEquals(
      [0.123, 1.26, 12.6].map((each) => milliseconds(each, "en")),
      ["0.12 ms", "1.3 ms", "13 ms"],
    );
    assertEquals(
      [0.02, 1.5, 59.6, 60, 302, 3600, 90_000, 86_400 * 400].map((each) => duration(each, "en")),
      ["20 ms", "1.5s", "1m", "1m", "5m 2s", "1h", "1d 1h", "400d"],
    );
    assertEquals(duration(-1, "en"), "0s");
  });

  it("is written as its language does", () => {
    assertEquals(count(1234.5, "de"), "1.235");
    assertMatch(rate(1_234_000, "ja"), /123(\.\d)?万/);
    assertMatch(duration(302, "ja"), /5.*2/);
  });
});

describe("a time", () => {
  const now = new Date(2026, 3, 5, 14, 0, 0).getTime();

  it("has a date only on another day", () => {
    assertEquals(time(new Date(2026, 3, 5, 0, 3, 9).getTime(), now, "en"), "00:03:09");
    assertMatch(time(new Date(2026, 3, 4, 13, 3, 9).getTime(), now, "en"), /2026.*13:03:09/);
  });
});
