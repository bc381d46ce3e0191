/**
 * The page for browsers: its files, each at its path. A browser keeps them and asks with every visit whether they are still the
 * same, so that a page never runs with files of two versions for long.
 */

import type { HttpHandler } from "../../net/http/http_handler.ts";
import { ASSETS, type Asset } from "./assets.ts";

/** The page runs its own script, and asks nobody but its server. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const ENCODER = new TextEncoder();

/** The handlers of `/` and `/page/…`. */
export function pageRoutes(): Readonly<Record<string, HttpHandler>> {
  return Object.fromEntries(ASSETS.map((asset) => [asset.name === "" ? "/" : `/page/${asset.name}`, assetHandler(asset)]));
}

function assetHandler({ type, hash, text }: Asset): HttpHandler {
  const bytes = ENCODER.encode(text);
  const etag = `"${hash}"`;
  const headers = { "cache-control": "no-cache", "content-security-policy": POLICY, etag };
  return async (request) => {
    if (isKnown(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
    return new Response(bytes, { headers: { ...headers, "content-type": type, "content-length": String(bytes.length) } });
  };
}

/** Whether the client has this version already (RFC 9110, section 13.1.2). */
function isKnown(given: string | null, etag: string): boolean {
  const tags = given?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes(etag) || tags.includes("*");
}
