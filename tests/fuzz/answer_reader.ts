/**
 * Reads a server's answers against the requests they belong to, in their order: an answer must have the form its request asks
 * for, carry its keys and opaques, and end where the next one begins. Independent of the product's parsers, so that it shares
 * none of their bugs.
 */

import { AnswerForm, type Exchange } from "./request_grammar.ts";

const HEADER_BYTES = 24;
const REFUSALS = ["ERROR", "CLIENT_ERROR ", "SERVER_ERROR "];

export class AnswerReader {
  readonly met = new Set<string>();
  readonly #text: string;
  #at = 0;

  /** @param text all bytes of the answers, one character each */
  constructor(text: string) {
    this.#text = text;
  }

  /** Reads the answer of one request; `next` is asked afterwards and tells silence from an answer. @throws Error */
  read(exchange: Exchange, next: Exchange): void {
    if (exchange.form === AnswerForm.none) return;
    if (exchange.quiet === true && this.#stands(next)) {
      this.met.add("silence");
      return;
    }
    switch (exchange.form) {
      case AnswerForm.line:
        this.#met(this.#line());
        return;
      case AnswerForm.values:
        return this.#values(exchange, true);
      case AnswerForm.value:
        return this.#values(exchange, false);
      case AnswerForm.lines:
        return this.#lines();
      case AnswerForm.meta:
        return this.#meta(exchange);
      case AnswerForm.packet:
        this.#packet(exchange);
        return;
      case AnswerForm.packets:
        while (this.#packet(exchange) > 0);
    }
  }

  /** @throws Error unless everything has been read */
  end(): void {
    if (this.#at < this.#text.length) throw this.#fault("bytes behind the last answer");
  }

  /** True when the answer of a marker stands here. */
  #stands({ opaque, opaqueNumber = 0, opcode = 0 }: Exchange): boolean {
    if (opaque !== undefined) return this.#text.startsWith(`EN ${opaque}\r\n`, this.#at);
    return this.#byte(0) === 0x81 && this.#byte(1) === opcode && this.#number(12, 4) === opaqueNumber;
  }

  #line(lineEnd = "\r\n"): string {
    const end = this.#text.indexOf(lineEnd, this.#at);
    if (end < 0) throw this.#fault("no line");
    const line = this.#text.slice(this.#at, end);
    if (line === "" || /[\0\n\r]/.test(line)) throw this.#fault("no line of text");
    this.#at = end + lineEnd.length;
    return line;
  }

  #values({ keys }: Exchange, withEnd: boolean): void {
    let left = keys ?? [];
    for (let blocks = 0; ; blocks++) {
      const line = this.#line();
      this.#met(line);
      if (!line.startsWith("VALUE ")) {
        if (line === "END" ? withEnd : blocks === 0 && (isRefusal(line) || (!withEnd && line === "NOT_FOUND"))) return;
        throw this.#fault(`"${line}" among values`);
      }
      const [, key = "", , bytes = ""] = line.split(" ");
      const position = left.indexOf(key);
      if (position < 0) throw this.#fault(`value of "${key}", not asked for here`);
      left = left.slice(position + 1);
      this.#data(Number(bytes));
      if (!withEnd) return;
    }
  }

  #lines(): void {
    for (let first = true; ; first = false) {
      // memcached's metadump has lines with a bare line feed.
      const line = this.#text.startsWith("key=", this.#at) ? this.#line("\n") : this.#line();
      if (line === "END" || line === "EN" || line.startsWith("NEXT ")) return;
      if (first && (isRefusal(line) || /^(OK$|ERROR |RESET$|BADCLASS )/.test(line))) return;
      if (!/^(KEY |STAT |ITEM |PREFIX |mg |key=)/.test(line)) throw this.#fault(`"${line}" among lines`);
    }
  }

  #meta({ opaque }: Exchange): void {
    const line = this.#line();
    this.#met(line);
    const [status = "", ...tokens] = line.split(" ");
    if (isRefusal(line)) return;
    if (!["HD", "VA", "EN", "NS", "EX", "NF"].includes(status)) throw this.#fault(`"${line}" to a meta command`);
    const echoed = tokens.filter((token) => token.startsWith("O"));
    if (echoed.join() !== (opaque ?? "")) throw this.#fault(`opaque of "${line}", expected "${opaque ?? ""}"`);
    if (status === "VA") this.#data(Number(tokens[0]));
  }

  /** Gives the length of its key. */
  #packet({ opcode, opaqueNumber }: Exchange): number {
    if (this.#byte(0) !== 0x81) throw this.#fault("no packet");
    if (this.#byte(1) !== opcode) throw this.#fault(`packet with opcode ${this.#byte(1)}, expected ${opcode}`);
    if (this.#number(12, 4) !== opaqueNumber) {
      throw this.#fault(`packet with opaque ${this.#number(12, 4)}, expected ${opaqueNumber}`);
    }
    const keyBytes = this.#number(2, 2);
    this.met.add(`packet ${opcode} ${this.#number(6, 2)}`);
    const end = this.#at + HEADER_BYTES + this.#number(8, 4);
    if (end > this.#text.length) throw this.#fault("packet without its end");
    this.#at = end;
    return keyBytes;
  }

  #data(bytes: number): void {
    const end = this.#at + bytes;
    if (!Number.isSafeInteger(bytes) || this.#text.slice(end, end + 2) !== "\r\n")
      throw this.#fault("value without its line end");
    this.#at = end + 2;
  }

  #byte(offset: number): number {
    return this.#text.charCodeAt(this.#at + offset);
  }

  #number(offset: number, bytes: number): number {
    let number = 0;
    for (let i = 0; i < bytes; i++) number = number * 256 + this.#byte(offset + i);
    return number;
  }

  #met(line: string): void {
    this.met.add(answerWord(line));
  }

  #fault(what: string): Error {
    const around = JSON.stringify(this.#text.slice(this.#at, this.#at + 80));
    return new Error(`${what} at byte ${this.#at} of ${this.#text.length}: ${around}`);
  }
}

/** What kind of answer a line is, without what differs from case to case. */
export function answerWord(line: string): string {
  if (isRefusal(line)) return line.slice(0, 60);
  return /^[A-Z_]{2,12}(?= |$)/.exec(line)?.[0] ?? "other";
}

function isRefusal(line: string): boolean {
  return REFUSALS.some((refusal) => (refusal.endsWith(" ") ? line.startsWith(refusal) : line === refusal));
}
