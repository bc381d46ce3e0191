/** The build: `dist/` for Node and for everybody who installs the package; Deno and Bun can also run the sources. */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    mod: "mod.ts",
    testing: "testing.ts",
    "cli/flare": "cli/flare.ts",
    "cli/flared": "cli/flared.ts",
    "cli/flarei": "cli/flarei.ts",
  },
  format: "esm",
  target: "es2022",
  platform: "node",
  splitting: true,
  sourcemap: true,
  clean: true,
  // What can be disposed of needs the types of that, which no `lib` up to ES2023 has.
  dts: { entry: { mod: "mod.ts", testing: "testing.ts" }, banner: '/// <reference lib="esnext.disposable" />' },
  async onSuccess() {
    const runtimeArgs = "Deno" in globalThis ? ["run", "--allow-all"] : [];
    execFileSync(process.execPath, [...runtimeArgs, "dist/cli/flare.js", "man", "--directory", "dist/man"]);
  },
});
