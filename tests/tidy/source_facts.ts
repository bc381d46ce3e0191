/**
 * What the tidy rules need to know of a TypeScript file: its imports and the global names it uses. Comments and
 * strings do not count.
 */

import ts from "typescript";

export interface SourceFacts {
  /** The specifiers of all imports and re-exports, dynamic ones included. */
  readonly imports: readonly string[];
  /** Names used without being declared in the file, `Math.random` as one name, each with its line. */
  readonly globals: readonly { readonly name: string; readonly line: number }[];
  /** Whether there is a function in it, so that something can be run. */
  readonly hasCode: boolean;
}

/** Reads a source text. */
export function sourceFacts(path: string, text: string): SourceFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const imports: string[] = [];
  const declared = new Set<string>();
  const used: { name: string; line: number }[] = [];
  let hasCode = false;
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      if (ts.isStringLiteral(node.moduleSpecifier)) imports.push(node.moduleSpecifier.text);
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      imports.push(specifier !== undefined && ts.isStringLiteral(specifier) ? specifier.text : "an import that is computed");
    }
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) hasCode = true;
    if (ts.isIdentifier(node)) {
      if (declaresName(node)) declared.add(node.text);
      else if (!isPropertyName(node)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        used.push({ name: isMathRandom(node) ? "Math.random" : node.text, line: line + 1 });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { imports, hasCode, globals: used.filter(({ name }) => !declared.has(name)) };
}

function declaresName(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    ((ts.isVariableDeclaration(parent) ||
      ts.isParameter(parent) ||
      ts.isBindingElement(parent) ||
      ts.isFunctionDeclaration(parent) ||
      ts.isClassDeclaration(parent)) &&
      parent.name === node) ||
    ts.isImportSpecifier(parent) ||
    ts.isImportClause(parent) ||
    ts.isNamespaceImport(parent)
  );
}

function isPropertyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) return parent.name === node;
  if (ts.isBindingElement(parent)) return parent.propertyName === node;
  return ts.isClassElement(parent) || ts.isTypeElement(parent);
}

function isMathRandom(node: ts.Identifier): boolean {
  const { parent } = node;
  return node.text === "Math" && ts.isPropertyAccessExpression(parent) && parent.name.text === "random";
}
