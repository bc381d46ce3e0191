/** Which hosts are this server, and which are somebody else's name for its address. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { httpUrl, OwnHosts } from "../../../../lib/net/http/own_hosts.ts";

function known(hosts: OwnHosts, ...names: string[]): string[] {
  return names.filter((name) => hosts.has(name));
}

describe("the hosts of a server", () => {
  it("are the loopback, its names and where it listens, with any port", () => {
    const hosts = new OwnHosts("10.0.0.7", ["db1.example", "DB1"], "");
    const own = [
      "localhost",
      "LOCALHOST:80",
      "127.0.0.1:1",
      "127.9.9.9",
      "[::1]:5",
      "10.0.0.7",
      "10.0.0.7:9",
      "db1",
      "DB1.Example.",
    ];
    assertEquals(known(hosts, ...own), own);
  });

  it("are no others", () => {
    const hosts = new OwnHosts("127.0.0.1", ["db1"], "");
    const strange = [
      "evil.example",
      "db1.evil.example",
      "localhost.evil.example",
      "evil.example:80",
      "10.0.0.7",
      "[fd00::1]",
      "0.0.0.0",
    ];
    assertEquals(known(hosts, ...strange), []);
  });

  it("are nothing that is no host", () => {
    const hosts = new OwnHosts("0.0.0.0", [], "");
    const malformed = [
      "",
      ":80",
      "a b",
      "localhost:",
      "localhost:x",
      "localhost:123456",
      "[::1",
      "::1",
      "127.0.0.1:80:80",
      "u@localhost",
    ];
    assertEquals(known(hosts, ...malformed), []);
  });

  it("are all addresses where it listens on all of them, and still no strange names", () => {
    for (const bind of ["0.0.0.0", "::"]) {
      const hosts = new OwnHosts(bind, ["db1"], "");
      assertEquals(known(hosts, "10.1.2.3:80", "[fd00::1]", "db1", "evil.example"), ["10.1.2.3:80", "[fd00::1]", "db1"]);
    }
  });

  it("are those of http-hosts, too, in whichever form", () => {
    const hosts = new OwnHosts("127.0.0.1", [], " Flare.example, 10.0.0.9,[fd00::2] ");
    assertEquals(known(hosts, "flare.example:443", "10.0.0.9", "[fd00:0::2]:1", "10.0.0.8"), [
      "flare.example:443",
      "10.0.0.9",
      "[fd00:0::2]:1",
    ]);
    assertThrows(() => new OwnHosts("127.0.0.1", [], "a,,b"), Error, 'option "http-hosts": "" is not a host name');
  });

  it("are written as URLs", () => {
    assertEquals(httpUrl({ host: "127.0.0.1", port: 8 }, false), "http://127.0.0.1:8");
    assertEquals(httpUrl({ host: "::1", port: 8 }, true), "https://[::1]:8");
  });
});
