/** The texts this machine's names are read from, and names it must know. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { addressesInHostsFile, createNameLookup, searchedNames } from "../../../../lib/runtime/names/system_names.ts";

describe("a hosts file", () => {
  it("gives all addresses of a name, IPv4 first", () => {
    const text = "# hosts\n::1 localhost ip6-localhost\n127.0.0.1\tlocalhost # here\n10.0.0.1 a.example A\nnonsense a\n";
    assertEquals(addressesInHostsFile(text, "localhost"), ["127.0.0.1", "::1"]);
    assertEquals(addressesInHostsFile(text, "a"), ["10.0.0.1"]);
    assertEquals(addressesInHostsFile(text, "A.Example"), ["10.0.0.1"]);
    assertEquals(addressesInHostsFile(text, "here"), []);
    assertEquals(addressesInHostsFile("", "a"), []);
  });
});

describe("a search list", () => {
  it("says in which order names are asked for", () => {
    const text = "search svc.local other.example.\nnameserver 10.0.0.1\noptions timeout:1 ndots:2\n";
    assertEquals(searchedNames(text, "n"), ["n.svc.local", "n.other.example", "n"]);
    assertEquals(searchedNames(text, "n.sub"), ["n.sub.svc.local", "n.sub.other.example", "n.sub"]);
    assertEquals(searchedNames(text, "n.sub.x"), ["n.sub.x", "n.sub.x.svc.local", "n.sub.x.other.example"]);
    assertEquals(searchedNames(text, "n."), ["n"]);
    assertEquals(searchedNames("nameserver 10.0.0.1\n", "n.example"), ["n.example"]);
    assertEquals(searchedNames("domain example\n", "n"), ["n.example", "n"]);
  });
});

describe("this machine", () => {
  it("knows itself, and nobody with an impossible name", async () => {
    const lookUp = createNameLookup();
    const found = await lookUp("localhost");
    assert(found.includes("127.0.0.1") || found.includes("::1"), found.join());
    await assertRejects(() => lookUp("no-such-host.invalid"));
  });
});
