/** Addresses in all the ways they are written, and the leading bits they share. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { IPV4_PREFIX_BITS, isIpv4, parseIpAddress, sharesPrefix } from "../../../lib/base/ip_address.ts";

const hex = (text: string): string | undefined => {
  const bytes = parseIpAddress(text);
  return bytes === undefined ? undefined : Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

describe("parseIpAddress", () => {
  it("takes IPv4 and IPv6 in every form", () => {
    assertEquals(hex("10.1.2.255"), "00000000000000000000ffff0a0102ff");
    assertEquals(hex("::ffff:10.1.2.255"), hex("10.1.2.255"));
    assertEquals(hex("::FFFF:a01:2ff"), hex("10.1.2.255"));
    assertEquals(hex("::"), "0".repeat(32));
    assertEquals(hex("::1"), `${"0".repeat(31)}1`);
    assertEquals(hex("fd00::"), `fd00${"0".repeat(28)}`);
    assertEquals(hex("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
    assertEquals(hex("1::7:8"), "00010000000000000000000000070008");
    assertEquals(hex("1:2:3:4:5:6:7::"), "00010002000300040005000600070000");
  });

  it("takes nothing else", () => {
    const wrong = ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", "localhost", ":", ":::", "1::2::3", "1:2:3:4:5:6:7"];
    wrong.push("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "g::", "::1.2.3.4:5", "::1%eth0", "1.2.3.4 ", "[::1]");
    for (const text of wrong) assertEquals(parseIpAddress(text), undefined, text);
  });
});

describe("sharesPrefix", () => {
  const shares = (left: string, right: string, bits: number): boolean =>
    sharesPrefix(parseIpAddress(left) as Uint8Array, parseIpAddress(right) as Uint8Array, bits);

  it("compares exactly the given number of bits", () => {
    assert(shares("10.0.0.1", "10.0.0.2", IPV4_PREFIX_BITS + 30));
    assert(!shares("10.0.0.1", "10.0.0.2", IPV4_PREFIX_BITS + 31));
    assert(shares("10.128.0.0", "10.255.0.0", IPV4_PREFIX_BITS + 9));
    assert(!shares("10.127.0.0", "10.128.0.0", IPV4_PREFIX_BITS + 9));
    assert(shares("::1", "ffff::", 0));
    assert(shares("fd00::1", "fd00::1", 128));
    assert(!shares("fd00::1", "fd00::2", 128));
  });

  it("tells IPv4 from IPv6", () => {
    assert(isIpv4(parseIpAddress("::ffff:1.2.3.4") as Uint8Array));
    assert(!isIpv4(parseIpAddress("::1.2.3.4") as Uint8Array));
  });
});
