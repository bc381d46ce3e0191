/** The files of the page as they are served. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ASSETS } from "../../../../lib/web/page/assets.ts";
import { pageRoutes } from "../../../../lib/web/page/page_routes.ts";

const NOBODY = { peer: "127.0.0.1", user: undefined, certificateName: undefined };
const routes = pageRoutes();

function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  const handler = routes[path];
  assert(handler !== undefined, path);
  return handler(new Request(`http://localhost${path}`, { headers }), NOBODY, new Uint8Array());
}

describe("the routes of the page", () => {
  it("serve each file with its type", async () => {
    assertEquals(Object.keys(routes).sort(), ["/", "/page/icon.svg", "/page/page.css", "/page/page.js"]);
    for (const { name, type, text } of ASSETS) {
      const response = await ask(name === "" ? "/" : `/page/${name}`);
      assertEquals([response.status, response.headers.get("content-type"), await response.text()], [200, type, text]);
      const length = new TextEncoder().encode(text).length;
      assertEquals(response.headers.get("content-length"), String(length));
    }
  });

  it("let the page run its own script alone, and ask nobody but its server", async () => {
    const policy = (await ask("/")).headers.get("content-security-policy") ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]) {
      assertStringIncludes(policy, part);
    }
    assert(!policy.includes("unsafe"), policy);
    assert(!/<script(?! src="\/page\/)|<style|\son\w+=|style=/.test(await (await ask("/")).text()));
  });

  it("send a file once: who has it keeps it", async () => {
    for (const path of Object.keys(routes)) {
      const etag = (await ask(path)).headers.get("etag") ?? "";
      assertEquals((await ask(path)).headers.get("cache-control"), "no-cache");
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const response = await ask(path, { "if-none-match": known });
        assertEquals([response.status, response.headers.get("etag"), await response.text()], [304, etag, ""]);
      }
      for (const other of ['"other"', "", etag.slice(0, -2)]) {
        assertEquals((await ask(path, { "if-none-match": other })).status, 200);
      }
    }
  });
});
