/**
 * The types of options that programs see are what the option tables say, comments included, and have no option without effect.
 * With `UPDATE_DOCUMENTS=1` in the environment their fields are written instead of compared.
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { OptionTable } from "../../lib/base/option_schema.ts";
import { type IndexSettings, indexOptionTable } from "../../lib/index_server/index_options.ts";
import type { IndexServerOptions } from "../../lib/index_server/index_server_options.ts";
import { processOptions } from "../../lib/net/daemon_options.ts";
import { idleDaemonOptions, idleNodeOptions } from "../../lib/net/options_without_effect.ts";
import { type NodeSettings, nodeOptionTable } from "../../lib/node_server/node_options.ts";
import type { NodeServerOptions } from "../../lib/node_server/node_server_options.ts";
import { readRepositoryFile, repositoryRoot } from "../support/repository.ts";
import { interfaceFields } from "./option_interface.ts";

/** What only the programs know, or nobody makes use of. */
const hidden = { ...processOptions, ...idleDaemonOptions, ...idleNodeOptions };
type Hidden = keyof typeof hidden;

/** Whether two types have the same fields, of the same types. */
type Same<A, B> = [A, B, keyof A, keyof B] extends [B, A, keyof B, keyof A] ? true : false;

// These do not compile when a type is not the table's.
const nodeTypesAreTheTables: Same<Required<NodeServerOptions>, Omit<NodeSettings, Hidden>> = true;
const indexTypesAreTheTables: Same<Required<IndexServerOptions>, Omit<IndexSettings, Hidden>> = true;

const interfaces: readonly (readonly [path: string, name: string, table: OptionTable])[] = [
  ["lib/node_server/node_server_options.ts", "NodeServerOptions", nodeOptionTable],
  ["lib/index_server/index_server_options.ts", "IndexServerOptions", indexOptionTable],
];

describe("types of options", () => {
  for (const [path, name, table] of interfaces) {
    it(`${name} has the fields of the table, with their comments`, () => {
      const text = readRepositoryFile(path);
      const start = text.indexOf(`export interface ${name} {\n`) + `export interface ${name} {\n`.length;
      const end = text.indexOf("}\n", start);
      assert(start > 0 && end >= start, `${path} has no interface ${name}`);
      const visible = Object.fromEntries(Object.entries(table).filter(([field]) => !Object.hasOwn(hidden, field)));
      const fields = interfaceFields(visible);
      if (process.env.UPDATE_DOCUMENTS === "1") {
        writeFileSync(repositoryRoot + path, text.slice(0, start) + fields + text.slice(end));
      } else {
        assertEquals(text.slice(start, end), fields, `run this test with UPDATE_DOCUMENTS=1 to write the fields into ${path}`);
      }
    });
  }

  it("are equal to those of the tables", () => {
    assert(nodeTypesAreTheTables && indexTypesAreTheTables);
  });
});
