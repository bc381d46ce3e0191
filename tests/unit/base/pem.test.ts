/** PEM files taken apart: blocks by what they hold, in their order, and nothing that is not whole. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { onlyPemBlocks, pemBlocks } from "../../../lib/base/pem.ts";

const block = (label: string, body: string): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----`;
const FIRST = block("CERTIFICATE", "AAAA");
const SECOND = block("CERTIFICATE", "BBBB\nCCCC");
const KEY = block("EC PRIVATE KEY", "DDDD");
const FILE = fromLatin1(`subject: someone\n${FIRST}\n${KEY}\r\n${SECOND}\n`);

describe("pemBlocks", () => {
  it("gives the blocks of one kind, whatever stands around and between them", () => {
    assertEquals(pemBlocks(FILE, "CERTIFICATE"), [FIRST, SECOND]);
    assertEquals(pemBlocks(FILE, "PRIVATE KEY"), [KEY]);
    assertEquals(pemBlocks(FILE, "KEY"), [KEY]);
    assertEquals(pemBlocks(FILE, "TE KEY"), []);
  });

  it("leaves out what is not whole, or whose ends name different things", () => {
    assertEquals(pemBlocks(fromLatin1(FIRST.slice(0, -1)), "CERTIFICATE"), []);
    assertEquals(pemBlocks(fromLatin1(FIRST.replace("END CERTIFICATE", "END KEY")), "CERTIFICATE"), []);
    assertEquals(pemBlocks(new Uint8Array(), "CERTIFICATE"), []);
  });

  it("makes a file of them", () => {
    assertEquals(latin1(onlyPemBlocks(FILE, "CERTIFICATE")), `${FIRST}\n${SECOND}\n`);
    assertEquals(onlyPemBlocks(FILE, "NOTHING"), new Uint8Array());
  });
});
