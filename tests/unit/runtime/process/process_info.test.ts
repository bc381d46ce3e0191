/** What a runtime tells of its own process. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createProcessInfo, qualify, softLimit } from "../../../../lib/runtime/process/process_info.ts";

describe("createProcessInfo", () => {
  it("tells about this process", () => {
    const info = createProcessInfo();
    assertEquals(info.pid, process.pid);
    assert(info.hostName().length > 0);
    assert(info.memoryBytes() > 1_000_000);
    const before = info.cpuUsage();
    const startMs = performance.now();
    while (performance.now() - startMs < 50);
    const after = info.cpuUsage();
    assert(after.userUs + after.systemUs > before.userUs + before.systemUs);
  });
});

describe("the limit of open files", () => {
  it("is the soft one", () => {
    const text =
      "Limit                     Soft Limit           Hard Limit           Units\n" +
      "Max processes             100                  100                  processes\n" +
      "Max open files            256                  4096                 files\n";
    assertEquals(softLimit(text), 256);
  });

  it("is unknown where nothing tells it", () => {
    assertEquals(softLimit(""), undefined);
    assertEquals(softLimit("Max open files            unlimited            unlimited            files\n"), undefined);
  });
});

describe("qualify", () => {
  const hosts =
    "# comment\n127.0.0.1\tlocalhost\n10.0.0.5 web1.example.com web1 # ours\n10.0.0.6 db1 db1.example.com\n10.0.0.7 lone\n";

  it("finds the name with a domain in a hosts file", () => {
    assertEquals(qualify("web1", hosts), "web1.example.com");
    assertEquals(qualify("db1", hosts), "db1.example.com");
  });

  it("keeps a name that has a domain or is not known with one", () => {
    assertEquals(qualify("web1.other.org", hosts), "web1.other.org");
    assertEquals(qualify("lone", hosts), "lone");
    assertEquals(qualify("ours", hosts), "ours");
    assertEquals(qualify("web", hosts), "web");
  });
});
