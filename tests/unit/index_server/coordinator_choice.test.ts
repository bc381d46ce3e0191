/** Which coordinator `index-db` names, and what is refused, together with the options that belong to it. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertStringIncludes } from "@std/assert";
import { type IndexSettings, indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { startIndexServer } from "../../../lib/index_server/index_server.ts";
import { detectRuntime } from "../../../lib/runtime/detect.ts";
import { failureOf } from "../../support/index_scene.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../../support/temporary_directory.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });

describe("the option index-db", () => {
  it("is checked together with what belongs to it", async () => {
    const directory = makeTemporaryDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "u:p\n");
    const cases: readonly (readonly [options: Partial<IndexSettings>, message: string])[] = [
      [
        { indexDb: "consul://h/c" },
        'with "file://", "etcd://", "zookeeper://", "etcds://" or "zookeepers://", or be "memory://", not "consul://h/c"',
      ],
      [{ indexDb: "zookeeper://h:1" }, "names no cluster; it is zookeeper://HOST:PORT[,HOST:PORT]/CLUSTER"],
      [{ indexDb: "zookeeper://h:1/c/" }, 'names an invalid cluster, "/c/"'],
      [{ indexDb: "zookeeper://h:1/a//b" }, 'names an invalid cluster, "/a//b"'],
      [{ indexDb: "zookeeper://h:1/a/../b" }, 'names an invalid cluster, "/a/../b"'],
      [{ indexDb: "etcd://h:1" }, 'option "index-db": "etcd://h:1" names no key; it is etcd://HOST:PORT[,HOST:PORT]/KEY'],
      [{ indexDb: "etcd://h:1/" }, "names no key"],
      [{ indexDb: "etcd:///k" }, 'has no server ""'],
      [{ indexDb: "etcd://h:1,b:x/k" }, 'has no server "b:x"'],
      [{ indexDb: "etcd://h:1,b:0/k" }, 'has no server "b:0"'],
      [
        { indexDbAuthFile: file },
        '"index-db-auth-file" has no effect: "index-db" does not begin with etcd://, zookeeper://, etcds:// or zookeepers://',
      ],
      [{ indexDb: "etcd://h:1/k", indexDbCaCert: file }, 'option "index-db-ca-cert" has no effect'],
      [{ indexDb: "etcds://h:1/k", indexDbCert: file }, 'options "index-db-cert" and "index-db-key": one needs the other'],
      [{ indexDb: "etcds://h:1/k", indexDbCaCert: file }, `option "index-db-ca-cert": "${file}" contains no PEM "CERTIFICATE"`],
      [{ indexDb: "etcd://h:1/k", indexDbAuthFile: `${file}s` }, `option "index-db-auth-file": file "${file}s" does not exist`],
    ];
    try {
      for (const [options, message] of cases) {
        const failure = await failureOf(() =>
          startIndexServer(runtime, indexServerOptions({ dataDir: directory, ...options })),
        );
        assertStringIncludes(failure, "INVALID_OPTION ");
        assertStringIncludes(failure, message);
      }
    } finally {
      removeTemporaryDirectory(directory);
    }
  });
});
