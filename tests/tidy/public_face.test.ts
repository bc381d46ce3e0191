/**
 * What the library shows: every type in the signature of something exported is exported itself, nothing exported comes from the
 * insides, and everything exported has a docstring.
 */

import { relative } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import ts from "typescript";
import { repositoryRoot } from "../support/repository.ts";

/** Files whose exports are for programs; what lies elsewhere is nobody's business outside. */
const PUBLIC = new RegExp(
  [
    "^lib/admin/(change|change_runner|change_verbs|cluster_admin|node_targets)\\.ts$",
    "^lib/admin/(index_report|node_report|replication_report)\\.ts$",
    "^lib/base/(errors|host_port|log_levels|uint64|version)\\.ts$",
    "^lib/client/(client|client_options|client_tls|item|scan)\\.ts$",
    "^lib/cluster/(data_identity|key_hash|key_resolver|map_record|node|node_map|node_map_codec)\\.ts$",
    "^lib/index_server/(index_server_options|public_index|start_index)\\.ts$",
    "^lib/local_cluster/(cluster_options|public_cluster|start_cluster)\\.ts$",
    "^lib/net/(auth/access_options|tls/server_tls)\\.ts$",
    "^lib/node_server/(node_server_options|node_storage|public_node|start_node)\\.ts$",
    "^lib/runtime/(detect|runtime|runtime_options)\\.ts$",
    "^lib/storage/(storage_options|engine/engine|engine/engine_choice)\\.ts$",
    "^lib/testing/(public_failing_cluster|start_failing_cluster)\\.ts$",
  ].join("|"),
);

/** What programs import, and what their tests do. */
const FACES = ["mod.ts", "testing.ts"];

const program = ts.createProgram(
  FACES.map((path) => `${repositoryRoot}${path}`),
  {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
  },
);
const checker = program.getTypeChecker();

function pathOf(node: ts.Node): string {
  return relative(repositoryRoot, node.getSourceFile().fileName);
}

function resolved(symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

const exported = FACES.flatMap((path) => {
  const face = program.getSourceFile(`${repositoryRoot}${path}`);
  const symbol = face && checker.getSymbolAtLocation(face);
  assert(symbol !== undefined, path);
  return checker.getExportsOfModule(symbol).map(resolved);
});

/** The names of types of `lib` in the signature of a declaration; bodies, values and private members do not count. */
function typesIn(declaration: ts.Declaration): ts.Symbol[] {
  const found: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node) || (ts.isVariableDeclaration(node) && node.type === undefined)) return;
    if (ts.isPropertyDeclaration(node) && ts.isPrivateIdentifier(node.name)) return;
    if (ts.isMethodDeclaration(node) && ts.isPrivateIdentifier(node.name)) return;
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : ts.isTypeQueryNode(node)
          ? node.exprName
          : undefined;
    const symbol = name && checker.getSymbolAtLocation(name);
    if (symbol !== undefined) found.push(resolved(symbol));
    ts.forEachChild(node, (child) => {
      const isValue = (ts.isParameter(node) || ts.isPropertyDeclaration(node)) && child === node.initializer;
      if (!isValue) visit(child);
    });
  };
  visit(declaration);
  return found.filter(({ declarations = [], flags }) => {
    const isOurs = declarations.some((each) => pathOf(each).startsWith("lib/"));
    return isOurs && !(flags & ts.SymbolFlags.TypeParameter);
  });
}

describe("the public face", () => {
  it("exports every type that a signature names", () => {
    assert(exported.length > 50, `${exported.length} exports`);
    const missing = exported.flatMap((symbol) =>
      (symbol.declarations ?? [])
        .flatMap(typesIn)
        .filter((type) => !exported.includes(type))
        .map((type) => `${symbol.name} names ${type.name}`),
    );
    assertEquals([...new Set(missing)], []);
  });

  it("shows nothing from the insides", () => {
    const inner = exported.filter(({ declarations = [] }) => !declarations.every((each) => PUBLIC.test(pathOf(each))));
    assertEquals(
      inner.map(({ name, declarations = [] }) => `${name} of ${declarations.map(pathOf)}`),
      [],
    );
  });

  it("keeps from an operator's program what only a running change needs", () => {
    const membersOf = (path: string, name: string): string[] => {
      const source = program.getSourceFile(`${repositoryRoot}${path}`);
      const symbol = source && checker.getSymbolAtLocation(source)?.exports?.get(ts.escapeLeadingUnderscores(name));
      assert(symbol?.members !== undefined, name);
      return [...symbol.members.keys()].map(String);
    };
    const admin = membersOf("lib/admin/cluster_admin.ts", "ClusterAdmin");
    const shared = membersOf("lib/admin/change_runner.ts", "ChangeHost").filter((member) => admin.includes(member));
    assertEquals(shared, ["view", "nodeMap", "ping"]);
  });

  it("has a docstring for each export", () => {
    const bare = exported.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
    assertEquals(
      bare.map(({ name }) => name),
      [],
    );
  });
});
