/** How addresses are written, and which texts are addresses. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseAddress, parseRoleTarget } from "../../../lib/admin/node_targets.ts";
import { FlareError } from "../../../lib/base/errors.ts";
import { formatHostPort, parseHost, parseHostPort } from "../../../lib/base/host_port.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { adminAddress } from "../../../lib/net/auth/access_options.ts";
import { nodeOptionTable, nodeServerOptions } from "../../../lib/node_server/node_options.ts";

describe("host and port", () => {
  it("are written with brackets around IPv6 hosts", () => {
    assertEquals(formatHostPort("127.0.0.1", 12121), "127.0.0.1:12121");
    assertEquals(formatHostPort("db1.example.com", 1), "db1.example.com:1");
    assertEquals(formatHostPort("::1", 12121), "[::1]:12121");
    assertEquals(formatHostPort("::ffff:10.0.0.1", 5), "10.0.0.1:5");
    assertEquals(formatHostPort("::ffff:1", 5), "[::ffff:1]:5");
  });

  it("are read with brackets or without", () => {
    assertEquals(parseHostPort("[::1]:12121"), { host: "::1", port: 12121 });
    assertEquals(parseHostPort("::1:12121"), { host: "::1", port: 12121 });
    assertEquals(parseHostPort("[fe80::1%eth0]:1"), { host: "fe80::1%eth0", port: 1 });
    assertEquals(parseHostPort("127.0.0.1:0"), { host: "127.0.0.1", port: 0 });
    assertEquals(parseHostPort("db1:65535"), { host: "db1", port: 65535 });
    for (const text of [
      "",
      "a",
      ":1",
      "a:",
      "a:65536",
      "a:b:1",
      "[a]:1",
      "[::1]",
      "::1",
      "[::1:1",
      "[::g]:1",
      "a b:1",
      "[[::1]]:1",
    ]) {
      assertEquals(parseHostPort(text), undefined, text);
    }
  });

  it("are hosts alone, too", () => {
    for (const text of ["::1", "[::1]"]) assertEquals(parseHost(text), "::1");
    assertEquals(parseHost("db1"), "db1");
    for (const text of ["", "[]", "[db1]", "a:1", "::1]", "[::1]:1", "a b"]) assertEquals(parseHost(text), undefined, text);
  });

  it("mean the same wherever a daemon or an operator says them", () => {
    const { indexServers, bind, serverName, clusterReplicationServerName, indexServerName } = nodeOptionTable;
    assertEquals(indexServers.parse("[::1]:12120, ::1:12121,db1:1"), [
      { host: "::1", port: 12120 },
      { host: "::1", port: 12121 },
      { host: "db1", port: 1 },
    ]);
    assertEquals(indexServers.format([{ host: "::1", port: 12120 }]), "[::1]:12120");
    for (const option of [bind, serverName, clusterReplicationServerName, indexServerName]) {
      assertEquals([option.parse("[::1]"), option.parse("::1"), option.parse("[::1")], ["::1", "::1", undefined]);
      assertEquals(option.parse(""), "");
    }
    const node = nodeServerOptions({
      ...{ dataDir: "/d", bind: "[::1]", serverName: "[::1]" },
      indexServers: [{ host: "[::1]", port: 12120 }],
    });
    assertEquals([node.bind, node.serverName, node.indexServers], ["::1", "::1", [{ host: "::1", port: 12120 }]]);
    assertEquals(indexServerOptions({ indexDb: "memory://", bind: "[::]" }).bind, "::");
    assertThrows(() => indexServerOptions({ indexDb: "memory://", bind: "[::" }), FlareError, '"[::" is not a host name');
    for (const text of ["[::1]:5", "::1:5"]) {
      assertEquals(parseAddress(text), { host: "::1", port: 5 });
      assertEquals(adminAddress({ adminAddress: text } as Parameters<typeof adminAddress>[0]), { host: "::1", port: 5 });
      assertEquals(parseRoleTarget(`${text}:2:1`), { node: "::1:5", balance: 2, partition: 1 });
    }
    assert(adminAddress({ adminAddress: "" } as Parameters<typeof adminAddress>[0]) === undefined);
  });
});
