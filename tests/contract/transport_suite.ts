/**
 * The contract of every transport, whatever the runtime. Run by `transport.test.ts`, and for the simulated transport by
 * `tests/simulation/simulated_transport.test.ts`.
 */

import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import type { Address, Transport } from "../../lib/runtime/runtime.ts";
import { skipWhere } from "../support/skip.ts";
import { codeOf, connectPeer, isPattern, type Peer, PeerListener, pattern, portOf, sizes } from "./transport_peer.ts";

const LOCAL: Address = { host: "127.0.0.1", port: 0 };
const MIB = 1 << 20;

/** What a transport under test is like. */
export interface TransportTraits {
  /** False: there is no operating system behind it, so only TCP, and no time worth measuring. Default true. */
  readonly hasKernel?: boolean;
  /** True: a reset that no write runs into looks like an end in order, as over Deno's TLS. */
  readonly endsOnReset?: boolean;
  /** True: what the system has taken is delivered whatever happens, as over TLS. */
  readonly forgetsNothing?: boolean;
  /** Connects to a port of this machine as a stranger would, half-open connections allowed; over TCP unless given. */
  readonly connectStranger?: (port: number) => net.Socket;
}

export function transportSuite(name: string, transport: Transport, traits: TransportTraits = {}): void {
  const hasKernel = traits.hasKernel ?? true;
  const connectTcp = (port: number): net.Socket => net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const connectStranger = traits.connectStranger ?? connectTcp;
  const itWithKernel: typeof it = hasKernel ? it : (((): void => undefined) as unknown as typeof it);
  describe(`transport ${name}`, () => {
    const directory = mkdtempSync(join(tmpdir(), "flare-transport-"));
    after(async () => {
      await PeerListener.stopAll();
      rmSync(directory, { recursive: true, force: true });
    });

    it("echoes pieces of any size in order", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const { client } = await listener.pair();
      client.expectPattern();
      await client.sendPattern(3 * MIB, sizes(1, 5_000));
      await client.untilReceived(3 * MIB);
      client.connection.close();
      await client.untilClosed();
      assertEquals(client.error, undefined);
      assertEquals(client.bytesReceived, 3 * MIB);
      await listener.stop();
      assertEquals(listener.peers[0]?.error, undefined);
    });

    it("tells who the peer is", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      assertEquals(client.connection.peer, `127.0.0.1:${portOf(listener.address)}`);
      assert(/^127\.0\.0\.1:[1-9][0-9]*$/.test(server.connection.peer), server.connection.peer);
      client.connection.destroy();
      await listener.stop();
    });

    it("keeps connections apart that read at the same time", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const clients = await Promise.all(Array.from({ length: 60 }, () => connectPeer(transport, listener.address)));
      const rounds = 40;
      const wrong: number[] = [];
      for (const [index, client] of clients.entries()) {
        await client.untilOpen();
        let round = 0;
        let received = Buffer.alloc(0);
        const request = () => Buffer.from(`client ${index} round ${round} ${"x".repeat((index * 37 + round * 11) % 900)}\n`);
        client.handleData = (chunk) => {
          received = Buffer.concat([received, chunk]);
          const expected = request();
          if (received.length < expected.length) return;
          if (!received.equals(expected)) wrong.push(index);
          received = Buffer.alloc(0);
          if (++round < rounds) client.connection.write(request());
          else client.connection.close();
        };
        client.connection.write(request());
      }
      for (const client of clients) await client.untilClosed();
      assertEquals(wrong, []);
      await listener.stop();
    });

    itWithKernel("moves 100 MiB each way past slow readers in bounded memory", async () => {
      const total = 100 * MIB;
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      let mostUnderway = 0;
      for (const [peer, sender] of [
        [client, server],
        [server, client],
      ] as const) {
        peer.expectPattern();
        const check = peer.handleData;
        let untilPause = 8 * MIB;
        peer.handleData = (chunk) => {
          check(chunk);
          mostUnderway = Math.max(mostUnderway, sender.bytesSent - peer.bytesReceived);
          untilPause -= chunk.length;
          if (untilPause > 0) return;
          untilPause = 8 * MIB;
          peer.connection.pause();
          setTimeout(() => peer.connection.resume(), 3);
        };
      }
      await Promise.all([
        client.sendPattern(total, () => 200_000),
        server.sendPattern(total, () => 150_000),
        client.untilReceived(total, 60_000),
        server.untilReceived(total, 60_000),
      ]);
      // The kernel's buffers hold some of it; what the adapters held on top would be without limit.
      assert(mostUnderway < 24 * MIB, `${Math.round(mostUnderway / MIB)} MiB were underway`);
      client.connection.destroy();
      await listener.stop();
    });

    it("keeps what write answered false to, and leaves the rest to the caller", async () => {
      for (const largest of [600, 20_000, MIB]) {
        const total = 12 * MIB;
        const listener = await PeerListener.start(transport, LOCAL);
        const { client, server } = await listener.pair();
        client.expectPattern();
        client.connection.pause();
        const sending = server.sendPattern(total, sizes(Math.ceil(largest / 3), largest));
        await sleep(50);
        assert(client.bytesReceived < total);
        client.connection.resume();
        await sending;
        await client.untilReceived(total);
        assert(server.drains > 0, "the kernel took all of it at once");
        client.connection.destroy();
        await listener.stop();
      }
    });

    it("pauses and resumes", async () => {
      const total = 32 * MIB;
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      server.expectPattern();
      server.connection.pause();
      const sending = client.sendPattern(total, () => MIB);
      await sleep(100);
      const whilePaused = server.bytesReceived;
      assert(whilePaused <= MIB, `${whilePaused} bytes came although paused`);
      await sleep(50);
      assertEquals(server.bytesReceived, whilePaused);
      server.connection.resume();
      await sending;
      await server.untilReceived(total);
      client.connection.destroy();
      await listener.stop();
    });

    itWithKernel("writes after the peer has finished sending", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => {
        peer.handleEnd = () => {
          void peer.sendPattern(2 * MIB, () => 100_000).then(() => peer.connection.close());
        };
      });
      const socket = connectStranger(portOf(listener.address));
      socket.end("the request");
      let position = 0;
      let intact = true;
      socket.on("data", (chunk) => {
        intact &&= isPattern(chunk, position);
        position += chunk.length;
      });
      await new Promise((resolve) => socket.on("end", resolve));
      assertEquals(position, 2 * MIB);
      assert(intact);
      const server = listener.peers[0] as Peer;
      assertEquals(server.bytesReceived, 11);
      await server.untilClosed();
      assertEquals(server.error, undefined);
      await listener.stop();
    });

    it("tells a peer that ended without a request", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      client.connection.close();
      await server.until(() => server.ended);
      await sleep(20);
      assert(!server.closed, "the handler decides when to close");
      server.connection.close();
      await server.untilClosed();
      await client.untilClosed();
      assertEquals([server.error, client.error], [undefined, undefined]);
      await listener.stop();
    });

    itWithKernel("does not wait for ever for a peer that never closes its side", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const socket = connectStranger(portOf(listener.address));
      socket.on("error", () => undefined);
      socket.resume();
      await listener.untilAccepted(1);
      const server = listener.peers[0] as Peer;
      await server.untilOpen();
      server.connection.close();
      await server.untilClosed(6_000);
      assertEquals(server.error, undefined);
      socket.destroy();
      await listener.stop();
    });

    it("reports a reset once, as an error", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      // Closing with unread bytes makes the kernel answer with a reset.
      server.connection.pause();
      client.connection.write(pattern(0, MIB));
      await sleep(30);
      server.connection.destroy();
      if (traits.endsOnReset === true) {
        await client.until(() => client.ended);
        client.connection.close();
      }
      await client.untilClosed();
      if (traits.endsOnReset !== true) assertEquals(codeOf(client.error), "CONNECTION_FAILED");
      assertEquals(server.error, undefined);
      assertEquals(client.connection.write(pattern(0, 10)), true);
      await listener.stop();
    });

    it("reports a reset while a write waits", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      server.connection.pause();
      await fill(client);
      const drains = client.drains;
      server.connection.destroy();
      await client.untilClosed();
      assertEquals(codeOf(client.error), "CONNECTION_FAILED");
      assertEquals(client.drains, drains);
      await listener.stop();
    });

    it("serves 1,000 connections", async () => {
      const count = 1_000;
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const clients = Array.from({ length: count }, () => connectPeer(transport, listener.address, 10_000));
      for (const [index, client] of clients.entries()) {
        await client.untilOpen();
        client.connection.write(pattern(index, 100));
      }
      for (const client of clients) await client.untilReceived(100);
      assertEquals(listener.peers.length, count);
      for (const client of clients) client.connection.close();
      for (const client of clients) await client.untilClosed();
      for (const peer of listener.peers) await peer.untilClosed();
      assertEquals(listener.peers.filter((peer) => peer.error !== undefined).length, 0);
      await listener.stop();
    });

    it("reports a refused connection", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      await listener.stop();
      const client = connectPeer(transport, listener.address);
      await client.untilClosed();
      assert(!client.opened);
      assertEquals(codeOf(client.error), "CONNECTION_FAILED");
      assertStringIncludes(client.error?.message ?? "", `"127.0.0.1:${portOf(listener.address)}"`);
    });

    it("reports a name that does not exist", async () => {
      const client = connectPeer(transport, { host: "no-such-host.invalid", port: 1 });
      await client.untilClosed();
      assert(!client.opened);
      assertEquals(codeOf(client.error), "CONNECTION_FAILED");
    });

    itWithKernel("gives up connecting in time", async () => {
      const deaf = await listenDeaf();
      // Bun's listeners always have a queue of 512.
      const count = name.startsWith("bun") ? 540 : 12;
      const clients = Array.from({ length: count }, () => connectPeer(transport, { host: "127.0.0.1", port: deaf.port }, 300));
      const startMs = performance.now();
      const late = clients[count - 1] as Peer;
      await late.untilClosed(5_000);
      assert(performance.now() - startMs >= 250);
      assert(!late.opened);
      assertEquals(codeOf(late.error), "TIMED_OUT");
      for (const client of clients) client.connection.destroy();
      for (const client of clients) await client.untilClosed();
      await deaf.stop();
    });

    it("destroys a connection that is still being opened", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const client = connectPeer(transport, listener.address);
      client.connection.destroy();
      await client.untilClosed();
      assert(!client.opened);
      assertEquals(client.error, undefined);
      await listener.stop();
    });

    const itIfForgetting: typeof it = traits.forgetsNothing !== true ? it : (((): void => undefined) as unknown as typeof it);
    itIfForgetting("forgets what was not delivered, if it is to", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      client.connection.pause();
      const written = await fill(server);
      server.connection.destroy(true);
      await server.untilClosed();
      assertEquals(server.error, undefined);
      await sleep(30);
      client.connection.resume();
      await client.until(() => client.closed || client.ended);
      client.connection.destroy();
      // What lies at the other side already may still be read.
      assert(client.bytesReceived < written / 2, `${client.bytesReceived} of ${written} bytes`);
      await listener.stop();
    });

    it("sends what was written before the connection is open", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const client = connectPeer(transport, listener.address);
      client.expectPattern();
      client.connection.write(pattern(0, 1_000));
      await client.untilReceived(1_000);
      client.connection.destroy();
      await listener.stop();
    });

    it("delivers everything written before close", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      client.expectPattern();
      client.connection.pause();
      const written = await fill(server);
      server.connection.close();
      assertEquals(server.connection.write(pattern(0, 100)), true);
      const drains = server.drains;
      await sleep(30);
      client.connection.resume();
      await client.until(() => client.ended);
      assertEquals(client.bytesReceived, written);
      client.connection.close();
      await server.untilClosed();
      assertEquals(server.error, undefined);
      assertEquals(server.drains, drains);
      await listener.stop();
    });

    it("closes a connection that is still being opened after sending", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const client = connectPeer(transport, listener.address);
      client.connection.write(pattern(0, 1_000));
      client.connection.close();
      await listener.untilAccepted(1);
      const server = listener.peers[0] as Peer;
      server.expectPattern();
      await server.until(() => server.ended);
      assertEquals(server.bytesReceived, 1_000);
      server.connection.close();
      await client.untilClosed();
      assertEquals([client.opened, client.drains, client.error], [false, 0, undefined]);
      await listener.stop();
    });

    it("drops what is not sent when destroyed", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      client.connection.pause();
      const written = await fill(server);
      server.connection.destroy();
      server.connection.destroy();
      server.connection.close();
      assertEquals(server.connection.write(pattern(0, 100)), true);
      await server.untilClosed();
      assertEquals(server.error, undefined);
      client.connection.resume();
      await client.until(() => client.ended || client.closed);
      assert(client.bytesReceived < written, "all of it came");
      client.connection.destroy();
      await listener.stop();
    });

    it("destroys from inside onData", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => {
        peer.handleData = () => peer.connection.destroy();
      });
      const { client, server } = await listener.pair();
      client.connection.write(pattern(0, 10));
      await server.untilClosed();
      assertEquals(server.error, undefined);
      client.connection.destroy();
      await listener.stop();
    });

    itWithKernel("sends small pieces without delay", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const { client, server } = await listener.pair();
      let halves = 0;
      server.handleData = (chunk) => {
        halves += chunk.length;
        if (halves % 20 === 0) server.connection.write(new Uint8Array(5)) && server.connection.write(new Uint8Array(5));
      };
      const startMs = performance.now();
      const rounds = 20;
      for (let round = 1; round <= rounds; round++) {
        client.connection.write(new Uint8Array(10));
        await sleep(1);
        client.connection.write(new Uint8Array(10));
        await client.untilReceived(round * 10);
      }
      // Held back until the kernel's delayed acknowledgement, each round would take 40 ms.
      const perRoundMs = (performance.now() - startMs) / rounds;
      assert(perRoundMs < 25, `${perRoundMs} ms per round`);
      client.connection.destroy();
      await listener.stop();
    });

    it("refuses a port in use and names it", async () => {
      const listener = await PeerListener.start(transport, LOCAL);
      const port = portOf(listener.address);
      const error = await assertRejects(() => PeerListener.start(transport, { host: "127.0.0.1", port }), FlareError);
      assertEquals(error.code, "ADDRESS_IN_USE");
      assertStringIncludes(error.message, `"127.0.0.1:${port}"`);
      await listener.stop();
      await (await PeerListener.start(transport, { host: "127.0.0.1", port })).stop();
    });

    it("refuses an address that is not ours", async () => {
      const error = await assertRejects(() => PeerListener.start(transport, { host: "192.0.2.1", port: 0 }), FlareError);
      assertEquals(error.code, "IO_ERROR");
    });

    it("keeps open connections when the listener closes", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const { client } = await listener.pair();
      await listener.listener.close();
      client.connection.write(pattern(0, 500));
      await client.untilReceived(500);
      const late = connectPeer(transport, listener.address);
      await late.untilClosed();
      assertEquals(codeOf(late.error), "CONNECTION_FAILED");
      client.connection.destroy();
      await listener.stop();
    });

    itWithKernel("speaks IPv6", { skip: skipWhere(!hasIpv6(), "this machine has no IPv6") }, async () => {
      const listener = await PeerListener.start(transport, { host: "::1", port: 0 }, (peer) => peer.echo());
      const { client, server } = await listener.pair();
      assertEquals(client.connection.peer, `[::1]:${portOf(listener.address)}`);
      assert(/^\[::1\]:[1-9][0-9]*$/.test(server.connection.peer), server.connection.peer);
      client.expectPattern();
      client.connection.write(pattern(0, 700));
      await client.untilReceived(700);
      client.connection.destroy();
      await listener.stop();
    });

    it("finds a listener by name", async () => {
      const listener = await PeerListener.start(transport, LOCAL, (peer) => peer.echo());
      const client = connectPeer(transport, { host: "localhost", port: portOf(listener.address) });
      await client.untilOpen();
      client.expectPattern();
      client.connection.write(pattern(0, 300));
      await client.untilReceived(300);
      client.connection.destroy();
      await listener.stop();
    });

    itWithKernel("speaks over UNIX sockets", async () => {
      const path = join(directory, "echo.sock");
      const listener = await PeerListener.start(transport, { path, mode: 0o600 }, (peer) => peer.echo());
      assertEquals(statSync(path).mode & 0o777, 0o600);
      const { client, server } = await listener.pair();
      assertEquals([client.connection.peer, server.connection.peer], [":0", ":0"]);
      client.expectPattern();
      await client.sendPattern(2 * MIB, sizes(1, 60_000));
      await client.untilReceived(2 * MIB);
      client.connection.close();
      await client.untilClosed();
      await listener.stop();
      assert(!existsSync(path));
      const late = connectPeer(transport, { path });
      await late.untilClosed();
      assertEquals(codeOf(late.error), "CONNECTION_FAILED");
    });

    itWithKernel("opens a UNIX socket to everybody unless told otherwise", async () => {
      const path = join(directory, "open.sock");
      const listener = await PeerListener.start(transport, { path });
      assertEquals(statSync(path).mode & 0o777, 0o777);
      await listener.stop();
    });

    itWithKernel("does not listen at a UNIX socket whose permissions cannot be set", async () => {
      const path = join(directory, "permissions.sock");
      const error = await PeerListener.start(transport, { path, mode: 2 ** 40 }).catch((fault: Error) => fault);
      assertEquals(codeOf(error as Error), "IO_ERROR");
      const late = connectPeer(transport, { path });
      await late.untilClosed();
      assertEquals(codeOf(late.error), "CONNECTION_FAILED");
    });

    itWithKernel("takes over a UNIX socket nobody listens on", async () => {
      const path = join(directory, "stale.sock");
      const elsewhere = join(directory, "left-behind.sock");
      const first = await PeerListener.start(transport, { path: elsewhere });
      renameSync(elsewhere, path);
      await first.stop();
      assert(existsSync(path));
      const second = await PeerListener.start(transport, { path }, (peer) => peer.echo());
      const { client } = await second.pair();
      client.connection.write(pattern(0, 10));
      await client.untilReceived(10);
      client.connection.destroy();
      await second.stop();
    });

    itWithKernel("leaves a UNIX socket alone that somebody listens on", async () => {
      const path = join(directory, "busy.sock");
      const listener = await PeerListener.start(transport, { path }, (peer) => peer.echo());
      const error = await assertRejects(() => PeerListener.start(transport, { path }), FlareError);
      assertEquals(error.code, "ADDRESS_IN_USE");
      assertStringIncludes(error.message, `"${path}"`);
      const { client } = await listener.pair();
      client.connection.write(pattern(0, 10));
      await client.untilReceived(10);
      client.connection.destroy();
      await listener.stop();
    });

    itWithKernel("leaves a file alone that is no socket", async () => {
      const path = join(directory, "file.txt");
      writeFileSync(path, "precious");
      const error = await assertRejects(() => PeerListener.start(transport, { path }), FlareError);
      assertEquals(error.code, "ADDRESS_IN_USE");
      assertEquals(statSync(path).size, 8);
    });
  });
}

/** Writes until nothing more goes out, and gives the bytes written. The kernel sometimes enlarges its buffers. */
async function fill(peer: Peer): Promise<number> {
  let written = 0;
  for (;;) {
    let free = true;
    while (free) {
      free = peer.connection.write(pattern(written, MIB));
      written += MIB;
      assert(written < 256 * MIB, "no back-pressure");
    }
    const drains = peer.drains;
    await sleep(50);
    if (peer.drains === drains) return written;
  }
}

function hasIpv6(): boolean {
  return existsSync("/proc/net/if_inet6") && statSync("/proc/net/if_inet6").isFile();
}

/** A port whose process never accepts: once its short queue is full, the kernel leaves connections unanswered. */
async function listenDeaf(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
     const server = require("node:net").createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       setTimeout(() => Atomics.wait(workerData, 0, 0), 20);
     });`,
    { eval: true, workerData: gate },
  );
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  await sleep(60);
  return {
    port,
    async stop() {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await worker.terminate();
    },
  };
}
