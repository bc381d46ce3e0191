/**
 * The row of an option is the only place that knows its bounds and its default, and every option with an effect is read
 * somewhere.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import ts from "typescript";
import { upOptionTable } from "../../cli/up_options.ts";
import type { Option, OptionTable } from "../../lib/base/option_schema.ts";
import { indexOptionTable } from "../../lib/index_server/index_options.ts";
import { clusterOptionTable } from "../../lib/local_cluster/cluster_options.ts";
import { nodeOptionTable } from "../../lib/node_server/node_options.ts";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

const tables: readonly OptionTable[] = [nodeOptionTable, indexOptionTable, upOptionTable, clusterOptionTable];
const rows: readonly (readonly [field: string, option: Option<unknown>])[] = tables.flatMap((table) => Object.entries(table));
const fields: ReadonlySet<string> = new Set(rows.map(([field]) => field));

const sources = [...repositoryFiles("lib", ".ts"), ...repositoryFiles("cli", ".ts"), "mod.ts", "testing.ts"].map((path) => ({
  path,
  source: ts.createSourceFile(path, readRepositoryFile(path), ts.ScriptTarget.ES2022, true),
}));

/** Numbers of rows that mean something else elsewhere, by the files in which they do. */
const otherMeanings: Readonly<Record<string, readonly number[]>> = {
  // Identities of blocks.
  "lib/storage/arena/entry_cache.ts": [32767],
  // A seed.
  "lib/cluster/key_hash.ts": [19790217],
};

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
}

/** The field an expression takes out of some options: `options.keyBytesMax`, or `keyBytesMax` alone. */
function fieldOf(node: ts.Expression): string | undefined {
  const name = ts.isPropertyAccessExpression(node) ? node.name.text : ts.isIdentifier(node) ? node.text : undefined;
  return name !== undefined && fields.has(name) ? name : undefined;
}

function literalOf(node: ts.Expression | undefined): string | number | boolean | undefined {
  if (node === undefined) return undefined;
  if (ts.isNumericLiteral(node)) return Number(node.text.replaceAll("_", ""));
  if (ts.isStringLiteral(node)) return node.text;
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  return node.kind === ts.SyntaxKind.FalseKeyword ? false : undefined;
}

const defaulting = new Set([ts.SyntaxKind.QuestionQuestionToken, ts.SyntaxKind.BarBarToken]);
const comparing = new Set([
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
]);

/** What a source says of an option that its row says: `field ?? 5`, `{ field = 5 }`, `field > 5`, each with its line. */
function repeated(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const note = (node: ts.Node, field: string): void => {
    found.push(`${source.fileName}:${lineOf(source, node)} ${field}: ${node.getText()}`);
  };
  walk(source, (node) => {
    if (ts.isBindingElement(node) || ts.isParameter(node)) {
      const name = ((ts.isBindingElement(node) ? node.propertyName : undefined) ?? node.name).getText();
      if (fields.has(name) && literalOf(node.initializer)) note(node, name);
    } else if (ts.isBinaryExpression(node)) {
      const field = fieldOf(node.left);
      const literal = literalOf(node.right);
      // Many options are off at 0, or count from 1.
      if (field === undefined || !literal) return;
      const isBound = comparing.has(node.operatorToken.kind) && Number(literal) > 1;
      if (isBound || defaulting.has(node.operatorToken.kind)) note(node, field);
    }
  });
  return found;
}

/** Whether a number is unlikely to be written for another reason. */
function isTelling(value: number): boolean {
  const isWidth = [0xffff, 0x7fffffff, 0xffffffff, Number.MAX_SAFE_INTEGER].includes(value);
  return value > 1000 && !isWidth && value % 100 !== 0 && value % 1024 !== 0;
}

/** The numbers of a row: default, smallest and largest, in files and in code. */
function numbersOf({ default: preset, allowed, allowedValue }: Option<unknown>): number[] {
  const texts = [...allowed.matchAll(/\d+/g), ...allowedValue.matchAll(/\d+/g)].map(([text]) => text);
  return typeof preset === "number" ? [preset, ...texts.map(Number)] : [];
}

/** The fields that a source reads. */
function fieldsRead(source: ts.SourceFile): Set<string> {
  const read = new Set<string>();
  walk(source, (node) => {
    if (ts.isPropertyAccessExpression(node)) read.add(node.name.text);
    if (ts.isBindingElement(node)) read.add((node.propertyName ?? node.name).getText());
  });
  return read;
}

describe("options in the code", () => {
  it("have their defaults and bounds in their rows alone", () => {
    assertEquals(
      sources.flatMap(({ source }) => repeated(source)),
      [],
    );
  });

  it("have numbers that are written once", () => {
    const telling = new Set(rows.flatMap(([, option]) => numbersOf(option)).filter(isTelling));
    const places = new Map<number, string[]>();
    for (const { path, source } of sources) {
      walk(source, (node) => {
        const value = ts.isNumericLiteral(node) ? literalOf(node) : undefined;
        if (typeof value !== "number" || !telling.has(value) || otherMeanings[path]?.includes(value)) return;
        places.set(value, [...(places.get(value) ?? []), `${path}:${lineOf(source, node)}`]);
      });
    }
    const twice = [...places].filter(([, where]) => where.length > 1).map(([value, where]) => `${value}: ${where.join(", ")}`);
    assertEquals(twice, []);
    assert(telling.has(32767) && telling.has(8191), [...telling].join());
  });

  it("have the same bounds in every program", () => {
    const byName = new Map<string, string>();
    const different: string[] = [];
    for (const [, { name, allowed, allowedValue }] of rows) {
      const bounds = `${allowed}, in code ${allowedValue}`;
      const other = byName.get(name) ?? bounds;
      if (other !== bounds) different.push(`${name}: ${other}; ${bounds}`);
      byName.set(name, bounds);
    }
    assertEquals(different, []);
  });

  it("are read if they have an effect, and only then", () => {
    // Tables and listings of all options say nothing about a use.
    const isList = (path: string): boolean => /_(?:options|variables|settings)\.ts$/.test(path);
    const users = sources.filter(({ path }) => !isList(path));
    const read = new Set(users.flatMap(({ source }) => [...fieldsRead(source)]));
    // Programs use words like these for other things.
    const inLib = users.filter(({ path }) => path.startsWith("lib/"));
    const readInLib = new Set(inLib.flatMap(({ source }) => [...fieldsRead(source)]));
    for (const path of ["lib/node_server/node_options.ts", "lib/net/tls/tls_options.ts", "lib/net/auth/access_options.ts"]) {
      const source = sources.find((each) => each.path === path)?.source;
      assert(source !== undefined, path);
      for (const field of fieldsRead(source)) read.add(field);
    }
    // What only the command line has may be read from there, before there are settings.
    const isRead = (field: string, { commandLineOnly, name }: Option<unknown>): boolean =>
      read.has(field) || (commandLineOnly === true && read.has(name));
    const wrong = rows.filter(([field, option]) =>
      option.withoutEffect === undefined ? !isRead(field, option) : readInLib.has(field),
    );
    assertEquals(
      wrong.map(([field, { withoutEffect }]) => `${field} ${withoutEffect === undefined ? "is not read" : "is read"}`),
      [],
    );
  });

  it("are found when they are repeated", () => {
    const text = `const { bind = "::", x = 1 } = o; o.keyBytesMax > 9 || o.backLog > 0; f(o.serverPort ?? 5, o.fsync ?? g);`;
    const source = ts.createSourceFile("a.ts", text, ts.ScriptTarget.ES2022, true);
    assertEquals(repeated(source), [
      'a.ts:1 bind: bind = "::"',
      "a.ts:1 keyBytesMax: o.keyBytesMax > 9",
      "a.ts:1 serverPort: o.serverPort ?? 5",
    ]);
  });
});
