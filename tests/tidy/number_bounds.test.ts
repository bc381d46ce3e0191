/** Numbers that are bounds by themselves, such as the largest of 32 bits, are written in one file and have a name. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import ts from "typescript";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

/** The file that may write each number. */
const homes: ReadonlyMap<bigint, string> = new Map([
  [2n ** 16n - 1n, "lib/base/number_bounds.ts"],
  [2n ** 31n - 1n, "lib/base/number_bounds.ts"],
  [2n ** 31n, "lib/base/number_bounds.ts"],
  [2n ** 32n - 1n, "lib/base/number_bounds.ts"],
  // `Number.MAX_SAFE_INTEGER` is its name.
  [2n ** 53n - 1n, ""],
  [2n ** 63n - 1n, "lib/protocol/numbers.ts"],
  [2n ** 63n, "lib/protocol/numbers.ts"],
  [2n ** 64n - 1n, "lib/base/uint64.ts"],
  [2n ** 20n, "lib/base/byte_units.ts"],
  [2n ** 30n, "lib/base/byte_units.ts"],
  [2592000n, "lib/item/entry.ts"],
]);

const operations: ReadonlyMap<ts.SyntaxKind, (left: bigint, right: bigint) => bigint> = new Map([
  [ts.SyntaxKind.PlusToken, (left, right) => left + right],
  [ts.SyntaxKind.MinusToken, (left, right) => left - right],
  [ts.SyntaxKind.AsteriskToken, (left, right) => left * right],
  [ts.SyntaxKind.AsteriskAsteriskToken, (left, right) => left ** right],
]);

/** The whole number that is written: a literal, or arithmetic with literals alone. `1 << 20` is a number of bits. */
function written(node: ts.Node): bigint | undefined {
  if (ts.isNumericLiteral(node)) return /^\d+$/.test(node.text) ? BigInt(node.text) : undefined;
  if (ts.isBigIntLiteral(node)) return BigInt(node.text.slice(0, -1));
  if (ts.isParenthesizedExpression(node)) return written(node.expression);
  if (!ts.isBinaryExpression(node)) return undefined;
  const [left, right] = [written(node.left), written(node.right)];
  if (left === undefined || right === undefined) return undefined;
  return operations.get(node.operatorToken.kind)?.(left, right);
}

function isMask(node: ts.Node): boolean {
  return ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind === ts.SyntaxKind.AmpersandToken;
}

/** Where a source writes a number that another file is for. */
function strays(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const value = written(node);
    const home = value === undefined ? undefined : homes.get(value);
    if (home === undefined) return ts.forEachChild(node, visit);
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    if (home !== path && !isMask(node)) found.push(`${path}:${line + 1} ${node.getText()}`);
  };
  visit(source);
  return found;
}

describe("bounds of numbers", () => {
  it("are written in one file", () => {
    const paths = [...repositoryFiles("lib", ".ts"), ...repositoryFiles("cli", ".ts")];
    assert(paths.length > 0);
    assertEquals(
      paths.flatMap((path) => strays(path, readRepositoryFile(path))),
      [],
    );
  });

  it("are found in every form, masks excepted", () => {
    const text =
      "a > 0xffffffff; b(4_294_967_295n); c = 2 ** 31 - 1;\nd = 64 * (1024 * 1024); e & 0xffff; f = 65536 + 1 << 20;";
    assertEquals(strays("a.ts", text), [
      "a.ts:1 0xffffffff",
      "a.ts:1 4_294_967_295n",
      "a.ts:1 2 ** 31 - 1",
      "a.ts:2 (1024 * 1024)",
    ]);
  });
});
