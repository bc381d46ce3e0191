/** How addresses are written in messages and lists. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { addressText, peerText } from "../../../../lib/runtime/sockets/address_text.ts";

describe("address texts", () => {
  it("tell UNIX sockets from ports", () => {
    assertEquals(addressText({ path: "/run/flared.sock" }), "/run/flared.sock");
    assertEquals(addressText({ host: "::", port: 1 }), "[::]:1");
    assertEquals(peerText({ path: "/run/flared.sock" }), ":0");
    assertEquals(peerText({ host: "a", port: 1 }), "a:1");
  });
});
