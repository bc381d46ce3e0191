/** How long writes stood still is measured from the first moment to the last, without the times that are excused. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { longestSilence } from "./availability.ts";

const whole = { fromUs: 0, toUs: 100 };

describe("the longest time without a write", () => {
  it("is the whole time where nothing is written", () => {
    assertEquals(longestSilence([], whole), whole);
  });

  it("lies between two writes, before the first or after the last", () => {
    assertEquals(longestSilence([10, 50, 60], whole), { fromUs: 10, toUs: 50 });
    assertEquals(longestSilence([60, 70], whole), { fromUs: 0, toUs: 60 });
    assertEquals(longestSilence([10, 20], whole), { fromUs: 20, toUs: 100 });
  });

  it("knows writes in any order, and none outside of the time", () => {
    assertEquals(longestSilence([60, 10, 50, 150, -5], whole), { fromUs: 10, toUs: 50 });
  });

  it("is cut by what is excused", () => {
    assertEquals(longestSilence([10, 90], whole, [{ fromUs: 20, toUs: 60 }]), { fromUs: 60, toUs: 90 });
    assertEquals(longestSilence([10, 90], whole, [{ fromUs: 5, toUs: 95 }]), { fromUs: 0, toUs: 5 });
    assertEquals(
      longestSilence([30], whole, [
        { fromUs: 0, toUs: 20 },
        { fromUs: 25, toUs: 70 },
      ]),
      { fromUs: 70, toUs: 100 },
    );
  });
});
