/** Lists of who is meant: each kind of entry, and the ones nobody can understand. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { AccessList, type ClientIdentity } from "../../../../lib/net/auth/access_list.ts";

function client(peer: string, user?: string, certificateName?: string): ClientIdentity {
  return { peer, user, certificateName };
}

/** Which of the visitors a list means. */
function meant(list: string, ...visitors: readonly ClientIdentity[]): boolean[] {
  const parsed = new AccessList("admin-access", list, true);
  return visitors.map((one) => parsed.has(one));
}

describe("AccessList", () => {
  it("means addresses and networks, however the connection writes its own", () => {
    const visitors = ["10.1.2.3:5", "10.2.0.0:5", "11.0.0.1:5", "[::ffff:10.1.2.3]:5", "[fd00::7]:5", "[fe80::1%eth0]:5", ":0"];
    const those = visitors.map((peer) => client(peer));
    assertEquals(meant("10.1.2.3", ...those), [true, false, false, true, false, false, false]);
    assertEquals(meant("10.0.0.0/8", ...those), [true, true, false, true, false, false, false]);
    assertEquals(meant("::ffff:10.0.0.0/104", ...those), [true, true, false, true, false, false, false]);
    assertEquals(meant("fd00::/8, fe80::1", ...those), [false, false, false, false, true, true, false]);
    assertEquals(meant("0.0.0.0/0", ...those), [true, true, true, true, false, false, false]);
    assertEquals(meant("::/0", ...those), [true, true, true, true, true, true, false]);
    assertEquals(meant("10.1.2.3/32", ...those), [true, false, false, true, false, false, false]);
  });

  it("means sockets, users and certificates", () => {
    const those = [client(":0"), client("1.1.1.1:1", "ann"), client("1.1.1.1:1", undefined, "ann"), client("1.1.1.1:1")];
    assertEquals(meant("unix", ...those), [true, false, false, false]);
    assertEquals(meant("user:ann", ...those), [false, true, false, false]);
    assertEquals(meant("cert:ann", ...those), [false, false, true, false]);
    assertEquals(meant("user:an, cert:ANN", ...those), [false, false, false, false]);
    assertEquals(meant("unix,user:ann,cert:ann", ...those), [true, true, true, false]);
    assertEquals(meant("any", ...those), [true, true, true, true]);
    assertEquals(meant("none", ...those), [false, false, false, false]);
    assertEquals(meant("", ...those), [false, false, false, false]);
    assertEquals(meant("user:jürgen", client("1.1.1.1:1", "j\xc3\xbcrgen")), [true]);
  });

  it("names the entry it cannot understand", () => {
    const wrong = ["10.0.0.0/33", "10.0.0/8", "fd00::/129", "localhost", "user:", "cert:", "10.0.0.1:80", "1.2.3.4/", "ANY"];
    for (const entry of wrong) {
      assertThrows(
        () => new AccessList("admin-access", `127.0.0.1, ${entry}`, true),
        FlareError,
        `"admin-access": "${entry}" is not`,
      );
    }
    assertThrows(() => new AccessList("admin-access", "127.0.0.1,,unix", true), FlareError, '"" is not');
    assertThrows(() => new AccessList("admin-access", "none,unix", true), FlareError, "must be the only entry");
    for (const entry of ["any", "user:ann", "none"]) {
      assertThrows(() => new AccessList("auth-exempt", entry, false), FlareError, `"auth-exempt": "${entry}" is not`);
    }
  });
});
