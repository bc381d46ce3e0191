/**
 * HTTP/1.x requests as a web page, or anything that speaks HTTP, may send them to our ports: any method and target, headers
 * that look like our commands, and bodies full of them in every coding there is.
 */

import type { SimRandom } from "../../lib/testing/sim_random.ts";
import { packet } from "../support/binary_packets.ts";

const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "PROPFIND",
  "M-SEARCH",
  "BREW",
];
/** A page may make up methods of its own. */
const OUR_WORDS = [
  ...["get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas", "incr", "decr", "delete", "touch"],
  ...["flush_all", "version", "verbosity", "quit", "stats", "ping", "dump", "dump_key", "keys", "show", "kill", "node", "meta"],
  ...["shutdown", "mg", "ms", "md", "ma", "mn", "me", "watch", "scan", "delete_prefix", "lru_crawler", "cache_memlimit"],
];
const COMMANDS = [
  "set victim 0 0 3\r\nbad\r\n",
  "set victim 0 0 3 noreply\r\nbad\r\n",
  "set victim 0 0 2147483645\r\n",
  "delete victim\r\n",
  "incr victim 1\r\n",
  "flush_all\r\n",
  "flush_all 0 noreply\r\n",
  "node state 127.0.0.1 12121 down\r\n",
  "node remove 127.0.0.1 12121\r\n",
  "node sync 99\r\nNODE evil 1 0 0 0 1 16\r\nEND\r\n",
  "shutdown 127.0.0.1 12121\r\n",
  "<>set victim 0 0 3\r\nbad\r\n",
  "ms victim 3\r\nbad\r\n",
  "md victim q\r\n",
  "delete_prefix v\r\n",
  "kill 1\r\n",
  "verbosity 2 noreply\r\n",
  "get victim\r\n",
  "set login 0 0 12\r\nalice secret\r\nget victim\r\n",
  packet({ opcode: 0x08 }),
  packet({ opcode: 0x11, key: "victim", extras: "\0".repeat(8), value: "bad" }),
];
const HEADERS = [
  ...["User-Agent: Mozilla/5.0", "Accept: */*", "Origin: http://evil.example", "Connection: keep-alive", "Cookie: a=b"],
  ...[
    "Upgrade: h2c",
    "Sec-WebSocket-Key: x",
    "Expect: 100-continue",
    "flush_all: now",
    "get: victim",
    "stats:",
    "set: a 0 0 1",
  ],
];
const HOSTS = ["Host: 127.0.0.1:12121", "host: evil.example", "HOST:evil.example", "Host:  [::1]:12121"];
const TYPES = ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "application/json"];
const PATH = "abcXYZ019-._~!$&'()*+,;=:@%/?";

/** One connection's bytes: one request or several behind each other. */
export function httpConnection(random: SimRandom): string {
  let text = httpRequest(random);
  while (random.chance(0.15)) text += httpRequest(random);
  return random.chance(0.05) ? text.slice(0, random.between(text.indexOf("\n") + 1, text.length)) : text;
}

function httpRequest(random: SimRandom): string {
  if (random.chance(0.01)) return `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${commands(random)}`;
  const lineEnd = random.chance(0.95) ? "\r\n" : "\n";
  const version = random.chance(0.9) ? "HTTP/1.1" : "HTTP/1.0";
  const headers = [...Array.from({ length: random.between(0, 5) }, () => random.pick(HEADERS))];
  if (version === "HTTP/1.1" || random.chance(0.5)) headers.push(random.pick(HOSTS));
  const body = random.chance(0.2) ? "" : bodyOf(random, headers);
  const head = [`${methodAndTarget(random)} ${version}`, ...random.shuffle(headers), ""];
  return head.map((line) => line + lineEnd).join("") + body;
}

function methodAndTarget(random: SimRandom): string {
  const isOurs = random.chance(0.3);
  const method = random.pick(isOurs ? OUR_WORDS : METHODS);
  if (method === "CONNECT") return `CONNECT evil.example:${random.between(1, 65535)}`;
  if (method === "OPTIONS" && random.chance(0.3)) return "OPTIONS *";
  const path = `/${text(random, PATH, !isOurs && random.chance(0.02) ? 5000 : 30)}`;
  return `${method} ${random.chance(0.1) ? `http://evil.example:12121${path}` : path}`;
}

function bodyOf(random: SimRandom, headers: string[]): string {
  switch (random.between(0, 3)) {
    case 0: {
      headers.push("Transfer-Encoding: chunked", `Content-Type: ${random.pick(TYPES)}`);
      const chunks = Array.from({ length: random.between(1, 4) }, () => commands(random));
      return `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("")}0\r\n\r\n`;
    }
    case 1: {
      const boundary = `----WebKitFormBoundary${random.uint32()}`;
      headers.push(`Content-Type: multipart/form-data; boundary=${boundary}`);
      const part = `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${commands(random)}\r\n`;
      return `${part}${part}--${boundary}--\r\n`;
    }
    case 2: {
      // A form of text/plain sends names and values as they are, with "=" between them.
      headers.push("Content-Type: text/plain");
      return `${commands(random)}=${commands(random)}`;
    }
    default: {
      const body = random.chance(0.2) ? text(random, "\0\r\n\x80 abc", 200) : `\r\n${commands(random)}`;
      headers.push(`Content-Length: ${body.length}`, `Content-Type: ${random.pick(TYPES)}`);
      return body;
    }
  }
}

function commands(random: SimRandom): string {
  return Array.from({ length: random.between(1, 3) }, () => random.pick(COMMANDS)).join("");
}

function text(random: SimRandom, letters: string, lengthMax: number): string {
  return Array.from({ length: random.between(0, lengthMax) }, () => letters[random.between(0, letters.length - 1)]).join("");
}
