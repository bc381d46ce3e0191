/**
 * A DNS server for tests: answers A questions as a file of records says, each after its own delay, and says to every other
 * question that there is nothing. Usage: `dns_server.ts <file>`; see `NameRecord`.
 */

import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import process from "node:process";
import type { NameRecord } from "../network_namespace.ts";

const HEADER_BYTES = 12;
const TYPE_A = 1;
const NO_SUCH_NAME = 3;

const file = process.argv[2] as string;
const socket = createSocket("udp4");

socket.on("message", (question, from) => {
  const { name, type, end } = readQuestion(question);
  const records = JSON.parse(readFileSync(file, "utf8")) as Record<string, NameRecord>;
  const { address, delayMs = 0 } = records[name] ?? {};
  setTimeout(() => {
    const answer = encodeAnswer(question.subarray(0, end), type === TYPE_A ? address : undefined, records[name] !== undefined);
    socket.send(answer, from.port, from.address);
  }, delayMs);
});
socket.bind(53, "127.0.0.1", () => console.log("ready"));

function readQuestion(bytes: Uint8Array): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = bytes[at] as number; length > 0; length = bytes[at] as number) {
    labels.push(new TextDecoder().decode(bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return {
    name: labels.join(".").toLowerCase(),
    type: ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number),
    end: at + 5,
  };
}

function encodeAnswer(question: Uint8Array, address: string | undefined, exists: boolean): Uint8Array {
  const header = question.slice();
  const found = address === undefined ? 0 : 1;
  // A response, recursion available; one question, the number of answers, nothing else.
  header.set([0x81, 0x80 | (exists ? 0 : NO_SUCH_NAME), 0, 1, 0, found, 0, 0, 0, 0], 2);
  if (address === undefined) return header;
  const record = [0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split(".").map(Number)];
  return Uint8Array.from([...header, ...record]);
}
