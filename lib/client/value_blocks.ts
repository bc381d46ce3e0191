/** Parses the answer to get and gets to items: `VALUE key flags bytes [version]`, data. Pure; the blocks must be complete. */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { parseUint64 } from "../base/uint64.ts";
import type { Item } from "./item.ts";

const LF = 0x0a;
const SPACE = 0x20;
const NUMBER = /^\d{1,10}$/;
const KEY_START = "VALUE ".length;

/** The items of complete `VALUE` blocks; keys and values are copies. @throws FlareError CORRUPT */
export function parseValues(body: Uint8Array): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < body.length; ) {
    const keyEnd = body.indexOf(SPACE, at + KEY_START);
    const lineFeed = body.indexOf(LF, at);
    const [flags, bytes, version] = latin1(body, keyEnd + 1, lineFeed)
      .trimEnd()
      .split(" ");
    const end = lineFeed + 1 + Number(bytes);
    const areNumbers = NUMBER.test(flags ?? "") && NUMBER.test(bytes ?? "");
    if (keyEnd < 0 || keyEnd > lineFeed || !areNumbers || end > body.length) {
      throw new FlareError("CORRUPT", "a server sent a malformed VALUE block");
    }
    const versionBytes = Uint8Array.from(version ?? "", (character) => character.charCodeAt(0));
    items.push({
      key: body.slice(at + KEY_START, keyEnd),
      value: body.slice(lineFeed + 1, end),
      flags: Number(flags),
      version: parseUint64(versionBytes, 0, versionBytes.length),
    });
    at = end + 2;
  }
  return items;
}
