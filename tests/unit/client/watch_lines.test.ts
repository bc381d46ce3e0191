/** A server's event log as lines, whatever the pieces in which it arrives. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import type { HostPort } from "../../../lib/base/host_port.ts";
import { watchLines } from "../../../lib/client/watch_lines.ts";
import type { Connection } from "../../../lib/runtime/runtime.ts";
import { FlareError } from "../../../mod.ts";
import { clientRuntime, HOST } from "../../support/daemon.ts";

/** A server that answers each connection with some pieces, and then closes it or keeps it open. */
async function withServer(
  pieces: readonly string[],
  closes: boolean,
  work: (address: HostPort, asked: string[]) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const open = new Set<Connection>();
  const listener = await clientRuntime().transport.listen({ host: HOST, port: 0 }, (connection) => ({
    onOpen: () => void open.add(connection),
    onData(chunk) {
      asked.push(new TextDecoder().decode(chunk));
      for (const piece of pieces) connection.write(fromLatin1(piece));
      if (closes) connection.close();
    },
    onDrain() {},
    onEnd: () => connection.close(),
    onClose: () => void open.delete(connection),
  }));
  try {
    await work(listener.address as HostPort, asked);
  } finally {
    for (const connection of open) connection.destroy();
    await listener.close();
  }
}

async function all(lines: AsyncIterable<string[]>, into: string[]): Promise<void> {
  for await (const batch of lines) into.push(...batch);
}

describe("the lines of a log", () => {
  it("come whole, and the end of the connection is an error", async () => {
    await withServer(["O", "K\r\nts=1 a", "=b\nts=2\r", "\nts=3 not whole"], true, async (address, asked) => {
      const lines: string[] = [];
      const error = await assertRejects(
        () => all(watchLines(clientRuntime(), address, ["mutations", "sysevents"]), lines),
        FlareError,
        "closed the connection",
      );
      assertEquals((error as FlareError).code, "CONNECTION_FAILED");
      assertEquals([lines, asked], [["ts=1 a=b", "ts=2"], ["watch mutations sysevents\r\n"]]);
    });
  });

  it("are refused with the server's answer", async () => {
    await withServer(["ERROR\r\n"], false, async (address) => {
      const error = await assertRejects(() => all(watchLines(clientRuntime(), address, []), []), FlareError);
      assertEquals((error as FlareError).code, "REFUSED");
      assertEquals((error as FlareError).message, `"${address.host}:${address.port}" answered "ERROR" to "watch"`);
    });
  });

  it("end when they are no longer wanted, also while nothing comes", async () => {
    await withServer(["OK\r\n"], false, async (address) => {
      const stop = new AbortController();
      const batches: string[][] = [];
      for await (const batch of watchLines(clientRuntime(), address, [], {}, stop.signal)) {
        batches.push(batch);
        setTimeout(() => stop.abort(), 10);
      }
      assertEquals(batches, [[]]);
    });
  });

  it("are not read without an end", async () => {
    await withServer(["OK\r\n", "x".repeat(100)], false, async (address) => {
      const reading = all(watchLines(clientRuntime(), address, [], { replyBytesMax: 99 }), []);
      assertEquals(((await assertRejects(() => reading, FlareError)) as FlareError).code, "CORRUPT");
    });
  });
});
