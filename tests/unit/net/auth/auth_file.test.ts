/** The file of users: what memcached takes is taken, what is wrong is named by its line, and nothing prints a password. */

import { describe, it } from "node:test";
import { inspect } from "node:util";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { FlareError } from "../../../../lib/base/errors.ts";
import { AUTH_LINE_BYTES_MAX, AUTH_USERS_MAX, AuthFile, isSayable } from "../../../../lib/net/auth/auth_file.ts";

const fileOf = (text: string): AuthFile => new AuthFile("/etc/users", fromLatin1(text));

function verifies(text: string, user: string, password: string): boolean {
  return fileOf(text).verify(user, fromLatin1(password));
}

describe("AuthFile", () => {
  it("takes users and passwords apart at the first colon", () => {
    assert(verifies("ann:secret\n", "ann", "secret"));
    assert(verifies("ann:secret", "ann", "secret"));
    assert(verifies("ann:secret\r\nbob:x:y z\r\n", "bob", "x:y z"));
    assert(verifies(`ann:${"p".repeat(AUTH_LINE_BYTES_MAX - 4)}\n`, "ann", "p".repeat(AUTH_LINE_BYTES_MAX - 4)));
  });

  it("takes no other password", () => {
    for (const password of ["", "secre", "secret ", "secretx", "Secret", "secret\0", `secret${"\0".repeat(249)}`]) {
      assert(!verifies("ann:secret\n", "ann", password), password);
    }
    assert(!verifies("ann:secret\n", "bob", "secret"));
    assert(!verifies("ann:secret\n", "", ""));
    assert(!verifies("ann:secret\n", "nobody", ""));
    const long = "p".repeat(AUTH_LINE_BYTES_MAX - 4);
    assert(!verifies(`ann:${long}\n`, "ann", `${long}${"q".repeat(300)}`));
  });

  it("lets a user have two passwords while one replaces the other; the first is ours", () => {
    const file = fileOf("ann:new\nann:old\n");
    assert(file.verify("ann", fromLatin1("new")));
    assert(file.verify("ann", fromLatin1("old")));
    assertEquals(file.credentialsOf("ann"), { user: "ann", password: "new" });
    assertEquals(file.credentialsOf("bob"), undefined);
  });

  it("names the file and the line of what is wrong, and no password", () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["", "is empty"],
      ["ann secret\n", "line 1: no"],
      ["ann:secret\n\nbob:x\n", "line 2: no"],
      ["ann:secret\n:x\n", "line 2: the user has no name"],
      ["ann:secret\nbob:\n", "line 2: the password is empty"],
      [`ann:${"s".repeat(300)}\n`, "line 1: longer than 255 bytes"],
      ["ann:sec\0ret\n", "line 1: it contains a zero byte"],
      ["u:p\n".repeat(AUTH_USERS_MAX + 1), `line ${AUTH_USERS_MAX + 1}: more than ${AUTH_USERS_MAX} users`],
    ];
    for (const [text, message] of wrong) {
      const error = assertThrows(() => fileOf(text), FlareError, message);
      assert(error instanceof FlareError && error.code === "INVALID_OPTION");
      assert(error.message.includes('"/etc/users"') && !error.message.includes("secret"), error.message);
    }
  });

  it("does not show what it knows", () => {
    assert(!inspect(fileOf("ann:secret\n"), { depth: 9 }).includes("secret"));
    assertEquals(JSON.stringify(fileOf("ann:secret\n")), "{}");
  });

  it("knows what a text login can say", () => {
    assert(isSayable({ user: "ann", password: "s\xe4cret:!" }));
    for (const password of ["two words", "", "tab\t", "null\0", "ü€"]) assert(!isSayable({ user: "ann", password }), password);
  });
});
