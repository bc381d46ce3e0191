/**
 * Builds the page of the daemons: bundles the sources in `lib/web/browser` and writes them as strings to
 * `lib/web/page/assets.ts`, which is committed, so that nobody needs a build to run the sources. `--check` writes nothing and fails if that file is stale.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { build } from "esbuild";
import { root } from "./setup.mjs";

const product = join(root, "lib/web/page/assets.ts");
const LINE_MAX = 118;

const assets = [
  { name: "", type: "text/html; charset=utf-8", text: read("lib/web/browser/index.html") },
  { name: "page.js", type: "text/javascript; charset=utf-8", text: licences() + (await bundled("lib/web/browser/main.tsx")) },
  {
    name: "page.css",
    type: "text/css; charset=utf-8",
    text: `${await bundled("node_modules/uplot/dist/uPlot.min.css")}${await bundled("lib/web/browser/page.css")}`,
  },
  { name: "icon.svg", type: "image/svg+xml", text: read("lib/web/browser/icon.svg") },
];

const source = `/**
 * The page's files, as they are served. Written by \`node .ci/page.mjs\` from \`lib/web/browser\`, uPlot and Preact (both MIT,
 * their licences are at the top of the script): do not change it by hand.
 */

/** A file of the page. */
export interface Asset {
  /** Below \`/page/\`; empty for the page itself. */
  readonly name: string;
  readonly type: string;
  /** Of its content. */
  readonly hash: string;
  readonly text: string;
}

/** All of them. */
export const ASSETS: readonly Asset[] = [
${assets.map(literal).join("\n")}
];
`;

if (!process.argv.includes("--check")) {
  mkdirSync(dirname(product), { recursive: true });
  writeFileSync(product, source);
  for (const { name, text } of assets) console.log(`${name || "the page"}: ${Buffer.byteLength(text)} bytes`);
} else if (!existsSync(product) || readFileSync(product, "utf8") !== source) {
  console.error("lib/web/page/assets.ts is stale: run node .ci/page.mjs");
  process.exit(1);
}

function read(path) {
  return readFileSync(join(root, path), "utf8");
}

async function bundled(entry) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: "es2022",
    // Not the tsconfig above: its paths and its `lib` are the daemons'.
    tsconfig: join(root, "lib/web/browser/tsconfig.json"),
    legalComments: "none",
    charset: "utf8",
  });
  return outputFiles[0].text;
}

/** What the licences of the bundled packages want to go along. */
function licences() {
  const texts = ["uplot", "preact"].map((name) => `${name}\n\n${read(`node_modules/${name}/LICENSE`).trim()}`);
  return `/*!\n${texts.join("\n\n").replaceAll("*/", "* /")}\n*/\n`;
}

function literal({ name, type, text }) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  const fields = [`name: ${JSON.stringify(name)}`, `type: ${JSON.stringify(type)}`, `hash: ${JSON.stringify(hash)}`];
  return `  {\n    ${fields.join(",\n    ")},\n    text: [\n${pieces(text).join("\n")}\n    ].join(""),\n  },`;
}

/** String literals, each in a line that is not too long. */
function pieces(text) {
  const found = [];
  let piece = "";
  for (const char of text) {
    const next = piece + char;
    if (piece !== "" && (JSON.stringify(next).length > LINE_MAX || piece.endsWith("\n"))) {
      found.push(piece);
      piece = char;
    } else {
      piece = next;
    }
  }
  if (piece !== "") found.push(piece);
  return found.map((each) => `      ${JSON.stringify(each)},`);
}
