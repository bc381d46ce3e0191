/**
 * Keys and values are bytes, whatever they look like: how they travel (base64url), how they are shown (text, JSON, hex) and how
 * what somebody types becomes bytes again, without a byte being lost on the way. Pure.
 */

/** One line of a hex view. */
export interface HexLine {
  readonly offset: string;
  readonly hex: string;
  readonly text: string;
}

const HEX_PER_LINE = 16;

/** base64url without padding. */
export function to64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes of base64url or base64. */
export function from64(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", ""));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** The text that these bytes are in UTF-8; undefined if they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether a text field gives back the same bytes: it would replace a carriage return, and shows no control characters. */
export function isEditableText(bytes: Uint8Array): boolean {
  const text = textOf(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text !== undefined && !/[\x00-\x08\x0b-\x1f\x7f]/.test(text);
}

/** Any bytes as one line of text: what is no visible text is `\x00`, a backslash is `\\`. */
export function escaped(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text === undefined) return [...bytes].map((byte) => escapedChar(String.fromCharCode(byte), byte > 0x7e)).join("");
  return [...text].map((char) => escapedChar(char, false)).join("");
}

function escapedChar(char: string, isForeign: boolean): string {
  const code = char.charCodeAt(0);
  if (char === "\\") return "\\\\";
  return isForeign || code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, "0")}` : char;
}

/** The bytes that `escaped` shows so; undefined if an escape is malformed. */
export function unescaped(text: string): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  let end = 0;
  for (const { 0: found, 1: hex, index } of text.matchAll(/\\(?:x([0-9a-fA-F]{2})|\\|)/g)) {
    if (found === "\\") return undefined;
    parts.push(encoder.encode(text.slice(end, index)));
    parts.push(Uint8Array.of(hex === undefined ? 0x5c : Number.parseInt(hex, 16)));
    end = index + found.length;
  }
  parts.push(encoder.encode(text.slice(end)));
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Lines of sixteen bytes. */
export function hexLines(bytes: Uint8Array): HexLine[] {
  const lines: HexLine[] = [];
  for (let at = 0; at < bytes.length; at += HEX_PER_LINE) {
    const part = [...bytes.subarray(at, at + HEX_PER_LINE)];
    lines.push({
      offset: at.toString(16).padStart(8, "0"),
      hex: part.map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
      text: part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join(""),
    });
  }
  return lines;
}

/** Bytes as hex digits to edit, sixteen in a line. */
export function hexText(bytes: Uint8Array): string {
  return hexLines(bytes)
    .map(({ hex }) => hex)
    .join("\n");
}

/** Bytes of hex digits, with any space between; undefined if there is something else or a digit is missing. */
export function fromHex(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/\s+/g, "");
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) return undefined;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * JSON with one thing in a line; undefined if the text is none. The text itself is indented, not what a parser makes of it,
 * which would change large numbers and drop members that are there twice.
 */
export function indentedJson(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  let depth = 0;
  const newLine = (): string => `\n${"  ".repeat(depth)}`;
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|\s+/g, (token) => {
    if (/^[{[]\s*[}\]]$/.test(token)) return token.replaceAll(/\s/g, "");
    if (token === "{" || token === "[") {
      depth++;
      return token + newLine();
    }
    if (token === "}" || token === "]") {
      depth--;
      return newLine() + token;
    }
    if (token === ",") return token + newLine();
    if (token === ":") return ": ";
    return token.startsWith('"') ? token : "";
  });
}
