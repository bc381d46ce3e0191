/** How addresses are written in messages and lists. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { addressText, hostPort, peerText } from "../../../lib/runtime/address_text.ts";

describe("address texts", () => {
  it("write hosts with their port", () => {
    assertEquals(hostPort("127.0.0.1", 12121), "127.0.0.1:12121");
    assertEquals(hostPort("db1.example.com", 1), "db1.example.com:1");
    assertEquals(hostPort("::1", 12121), "[::1]:12121");
    assertEquals(hostPort("::ffff:10.0.0.1", 5), "10.0.0.1:5");
    assertEquals(hostPort("::ffff:1", 5), "[::ffff:1]:5");
  });

  it("tell UNIX sockets from ports", () => {
    assertEquals(addressText({ path: "/run/flared.sock" }), "/run/flared.sock");
    assertEquals(addressText({ host: "::", port: 1 }), "[::]:1");
    assertEquals(peerText({ path: "/run/flared.sock" }), ":0");
    assertEquals(peerText({ host: "a", port: 1 }), "a:1");
  });
});
