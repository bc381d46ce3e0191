/** Who may come in, while the file of users changes. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Access } from "../../../../lib/net/auth/access.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

const OPTIONS = {
  authFile: "/users",
  authExempt: "",
  authTimeoutMs: 1000,
  clusterUser: "",
  adminAccess: "any",
  adminAddress: "",
  requestTimeoutMs: 1000,
};

/** Files whose next reading takes until it is let go. */
class SlowFiles extends MemoryFiles {
  letGo: (() => void) | undefined;
  isSlow = false;

  override async read(path: string): Promise<Uint8Array | undefined> {
    const bytes = await super.read(path);
    if (!this.isSlow) return bytes;
    this.isSlow = false;
    await new Promise<void>((resolve) => {
      this.letGo = resolve;
    });
    return bytes;
  }
}

describe("the users", () => {
  it("are those of the newest reading, though an older one takes longer", async () => {
    const files = new SlowFiles();
    files.write("/users", fromLatin1("ann:old\n"));
    const access = await Access.open({ ...new PlayedNetwork().runtime, files }, OPTIONS);
    files.isSlow = true;
    const first = access.reload(OPTIONS);
    while (files.letGo === undefined) await Promise.resolve();
    files.write("/users", fromLatin1("ann:new\n"));
    const second = access.reload({ ...OPTIONS, authTimeoutMs: 2000 });
    for (let i = 0; i < 100; i++) await Promise.resolve();
    files.letGo();
    await Promise.all([first, second]);
    const verify = (password: string): boolean => access.verify("ann", fromLatin1(password), "127.0.0.1:1");
    assertEquals([verify("old"), verify("new"), access.options.authTimeoutMs], [false, true, 2000]);
  });
});
