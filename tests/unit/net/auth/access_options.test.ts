/**
 * What the options of access say before any file is read, and who is warned of being open to everybody.
 *
 * Covers lib/net/auth/exposure.ts, lib/net/daemon_options.ts and lib/net/tls/tls_options.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { indexServerOptions } from "../../../../lib/index_server/index_options.ts";
import { type AccessOptions, adminAddress } from "../../../../lib/net/auth/access_options.ts";
import { exposureWarning } from "../../../../lib/net/auth/exposure.ts";
import { nodeServerOptions } from "../../../../lib/node_server/node_options.ts";

const OPTIONS = indexServerOptions({ indexDb: "memory://" });
const NODE = { storageType: "memory", indexServers: [{ host: "i", port: 1 }] } as const;

describe("access options", () => {
  it("say where operators connect", () => {
    const at = (text: string) => adminAddress({ ...OPTIONS, adminAddress: text });
    assertEquals(at(""), undefined);
    assertEquals(at("127.0.0.1:12122"), { host: "127.0.0.1", port: 12122 });
    assertEquals(at("localhost:0"), { host: "localhost", port: 0 });
    for (const text of ["[::1]:12122", "::1:12122"]) assertEquals(at(text), { host: "::1", port: 12122 });
    for (const text of ["12122", "host", "host:", ":1", "host:70000", "[::1]", "host:1:2"]) {
      assertThrows(() => at(text), FlareError, `"admin-address": "${text}" must be host:port`);
    }
  });

  it("are checked by both daemons", () => {
    for (const complete of [
      (given: Partial<AccessOptions>) => nodeServerOptions({ ...NODE, ...given }),
      (given: Partial<AccessOptions>) => indexServerOptions({ indexDb: "memory://", ...given }),
    ]) {
      assertThrows(() => complete({ adminAccess: "everybody" }), FlareError, '"admin-access": "everybody" is not');
      assertThrows(() => complete({ authExempt: "10.0.0.0/8,x" }), FlareError, '"auth-exempt": "x" is not');
      assertThrows(() => complete({ adminAddress: "x" }), FlareError, '"admin-address": "x" must be');
      assertThrows(() => complete({ clusterUser: "x" }), FlareError, '"cluster-user": "x" needs "auth-file"');
    }
  });
});

describe("exposureWarning", () => {
  const warning = (host: string, given: Partial<typeof OPTIONS> = {}) =>
    exposureWarning([{ path: "/tmp/s" }, { host: "127.0.0.1", port: 1 }, { host, port: 2 }], { ...OPTIONS, ...given });

  it("is for servers others can reach that ask for no login", () => {
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "fe80::1", "db.example"]) assert(warning(host) !== undefined, host);
    for (const host of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"]) {
      assertEquals(warning(host), undefined, host);
    }
    assertEquals(warning("0.0.0.0", { authFile: "/users" }), undefined);
    assertEquals(warning("0.0.0.0", { enableSsl: true, sslVerifyMode: 2 }), undefined);
    assert(warning("0.0.0.0", { enableSsl: true, sslVerifyMode: 1 }) !== undefined);
    assert(warning("0.0.0.0", { enableSsl: false, sslVerifyMode: 2 }) !== undefined);
  });

  it("says where, and what they may do", () => {
    assertStringIncludes(warning("::") ?? "", "REACH [::]:2 CAN");
    assertStringIncludes(warning("::") ?? "", "stop them");
    assert(!warning("::", { adminAccess: "unix" })?.includes("stop them"));
  });
});
