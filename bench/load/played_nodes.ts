/**
 * A process that plays many nodes, for `many_nodes.ts`: each has a port of its own, takes node maps, and answers pings and
 * `stats` with what a real master of a real cluster said. Prints its ports as a line of JSON.
 *
 * Argument: how many nodes.
 */

import { createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { latin1 } from "../../lib/base/bytes.ts";
import { startCluster } from "../../mod.ts";

const HOST = "127.0.0.1";
const REPORTS = ["stats", "stats latency", "stats replication", "stats threads"];

/** What a master with a slave answers to each of the reports. */
async function realReports(): Promise<Map<string, string>> {
  await using cluster = await startCluster({ partitions: 1, slaves: 1 });
  using client = cluster.client();
  for (let i = 0; i < 1000; i++) await client.set(`key${i}`, "value");
  const answers = new Map<string, string>();
  for (const report of REPORTS) {
    const figures = await client.stats(report.slice("stats ".length));
    answers.set(report, `${[...figures].map(([name, value]) => `STAT ${name} ${value}\r\n`).join("")}END\r\n`);
  }
  return answers;
}

/** Answers the lines of one connection. */
function serve(socket: Socket, answers: ReadonlyMap<string, string>): void {
  let rest = "";
  let isMap = false;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Uint8Array) => {
    const lines = (rest + latin1(chunk)).split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("node sync")) isMap = true;
      else if (!isMap) socket.write(line === "ping" ? "OK\r\n" : (answers.get(line) ?? "ERROR\r\n"));
      else if (line === "END") {
        isMap = false;
        socket.write("OK\r\n");
      }
    }
  });
}

const answers = await realReports();
const ports: number[] = [];
for (let i = 0; i < Number(process.argv[2]); i++) {
  const server: Server = createServer((socket) => serve(socket, answers));
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  if (address !== null && typeof address === "object") ports.push(address.port);
}
console.log(JSON.stringify(ports));
