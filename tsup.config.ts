/** The build: `dist/` for Node and for everybody who installs the package; Deno and Bun can also run the sources. */
import { defineConfig } from "tsup";

export default defineConfig({
  entry: { mod: "mod.ts", "cli/flare": "cli/flare.ts", "cli/flared": "cli/flared.ts", "cli/flarei": "cli/flarei.ts" },
  format: "esm",
  target: "es2022",
  platform: "node",
  splitting: true,
  sourcemap: true,
  clean: true,
  dts: { entry: { mod: "mod.ts" } },
});
