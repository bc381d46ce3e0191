/**
 * The types of options that programs see are what the option tables say, comments included, and have no option without effect.
 * With `UPDATE_DOCUMENTS=1` in the environment their fields are written instead of compared.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { OptionTable, OptionValues } from "../../lib/base/option_schema.ts";
import type { indexServerTable } from "../../lib/index_server/index_options.ts";
import type { IndexServerOptions } from "../../lib/index_server/index_server_options.ts";
import { indexFields } from "../../lib/index_server/start_index.ts";
import { type ClusterOptions, clusterOptionTable } from "../../lib/local_cluster/cluster_options.ts";
import { type AccessOptions, accessOptions } from "../../lib/net/auth/access_options.ts";
import type { tlsOptions } from "../../lib/net/tls/tls_options.ts";
import type { nodeServerTable } from "../../lib/node_server/node_options.ts";
import type { NodeServerOptions } from "../../lib/node_server/node_server_options.ts";
import { nodeFields } from "../../lib/node_server/start_node.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";
import { type InterfaceForm, interfaceFields } from "./option_interface.ts";

/** What programs say with `tls`. */
type Tls = keyof typeof tlsOptions | "sslPort";

/** Whether two types have the same fields, of the same types. */
type Same<A, B> = [A, B, keyof A, keyof B] extends [B, A, keyof B, keyof A] ? true : false;

// These do not compile when a type is not the table's.
const nodeTypesAreTheTables: Same<Required<NodeServerOptions>, Omit<OptionValues<typeof nodeServerTable>, Tls>> = true;
const indexTypesAreTheTables: Same<Required<IndexServerOptions>, Omit<OptionValues<typeof indexServerTable>, Tls>> = true;

const accessTypesAreTheTables: Same<AccessOptions, OptionValues<typeof accessOptions>> = true;
const clusterTypesAreTheTables: Same<
  Required<Pick<ClusterOptions, keyof typeof clusterOptionTable>>,
  OptionValues<typeof clusterOptionTable>
> = true;

const interfaces: readonly (readonly [path: string, name: string, table: OptionTable, form?: InterfaceForm])[] = [
  ["lib/node_server/node_server_options.ts", "NodeServerOptions", nodeFields],
  ["lib/index_server/index_server_options.ts", "IndexServerOptions", indexFields],
  ["lib/net/auth/access_options.ts", "AccessOptions", accessOptions, { complete: true, fixed: true }],
  ["lib/local_cluster/cluster_options.ts", "ClusterOptions", clusterOptionTable, { fixed: true }],
];

describe("types of options", () => {
  for (const [path, name, table, form] of interfaces) {
    it(`${name} has the fields of the table, with their comments`, () => {
      const text = readRepositoryFile(path);
      const start = text.indexOf(`export interface ${name} {\n`) + `export interface ${name} {\n`.length;
      // Fields that are no options stand behind a comment.
      const end = start + text.slice(start).search(/^(?:\}| {2}\/\/ )/m);
      assert(start > 0 && end >= start, `${path} has no interface ${name}`);
      const fields = interfaceFields(table, form);
      if (process.env.UPDATE_DOCUMENTS === "1") {
        writeFileSync(repositoryRoot + path, text.slice(0, start) + fields + text.slice(end));
      } else {
        assertEquals(text.slice(start, end), fields, `run this test with UPDATE_DOCUMENTS=1 to write the fields into ${path}`);
      }
    });
  }

  it("have no option without effect", () => {
    const idle = interfaces.flatMap(([, , table]) =>
      Object.values(table).filter((option) => option.withoutEffect !== undefined),
    );
    assertEquals(idle, []);
  });

  it("are equal to those of the tables", () => {
    assert(nodeTypesAreTheTables && indexTypesAreTheTables && accessTypesAreTheTables && clusterTypesAreTheTables);
  });
});
