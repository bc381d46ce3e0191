/** The HTTP options of both daemons. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { indexServerOptions } from "../../../../lib/index_server/index_options.ts";
import { nodeServerOptions } from "../../../../lib/node_server/node_options.ts";

const NODE = { storageType: "memory", indexServers: [{ host: "a", port: 1 }] } as const;
const INDEX = { indexDb: "memory://" };

for (const [name, complete] of [
  ["flared", (given: object) => nodeServerOptions({ ...NODE, ...given })],
  ["flarei", (given: object) => indexServerOptions({ ...INDEX, ...given })],
] as const) {
  describe(`the HTTP options of ${name}`, () => {
    it("are no HTTP, and for this machine alone", () => {
      const { httpPort, httpBind, httpHosts } = complete({});
      assertEquals([httpPort, httpBind, httpHosts], [0, "127.0.0.1", ""]);
    });

    it("are checked", () => {
      assertEquals(complete({ httpPort: 80, httpHosts: "a, b" }).httpHosts, "a, b");
      const wrong = [
        [{ httpPort: 80, httpHosts: "a b" }, 'option "http-hosts": "a b" is not a host name or an IP address'],
        [{ httpHosts: "a" }, 'option "http-hosts": "a" has no effect without "http-port"'],
        [{ httpTokenFile: "/t" }, 'option "http-token-file": "/t" has no effect without "http-port"'],
        [{ httpPort: 80, httpBind: "" }, 'option "http-bind" is empty'],
        [{ httpPort: 65536 }, "65536"],
      ] as const;
      for (const [given, message] of wrong) assertThrows(() => complete(given), Error, message);
    });
  });
}
