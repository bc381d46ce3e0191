/**
 * Runs the transport contract over TLS for the runtime that runs the tests, and checks what only TLS has: client and server
 * verification, and certificates that are renewed while connections are open.
 *
 * Runs alone: it measures times.
 *
 * Covers lib/runtime/sockets/tls_acceptor.ts.
 */

import { readFileSync } from "node:fs";
import net from "node:net";
import { after, describe, it } from "node:test";
import tls from "node:tls";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import type { Address, TlsClient, TlsServer, Transport } from "../../lib/runtime/runtime.ts";
import { NodeTransport } from "../../lib/runtime/sockets/node_net.ts";
import { AUTHORITY, certificatePath, testTlsClient, testTlsServer } from "../support/test_certificates.ts";
import { codeOf, connectPeer, type Peer, PeerListener, pattern, portOf } from "./transport_peer.ts";
import { transportSuite } from "./transport_suite.ts";

const LOCAL: Address = { host: "127.0.0.1", port: 0 };
const runtime = detectRuntime({ logLevel: "error" });
const { transport } = runtime;
const server = testTlsServer("node");
const client = testTlsClient();
/** Which of them depends on what the runtime tries first. */
const UNKNOWN_AUTHORITY = /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)/;

const overTls: Transport = {
  listen: (address, accept, options) => transport.listen(address, accept, { ...options, tls: server }),
  connect: (address, timeoutMs, handler) => transport.connect(address, timeoutMs, handler, { tls: client }),
};

transportSuite(`${runtime.name} over TLS`, overTls, {
  forgetsNothing: true,
  endsOnReset: runtime.name === "deno",
  connectStranger: (port) => {
    const options = { host: "127.0.0.1", port, ca: AUTHORITY, allowHalfOpen: true };
    return tls.connect(options);
  },
});

function listen(tls: TlsServer, prepare?: (peer: Peer) => void): Promise<PeerListener> {
  return PeerListener.start(transport, LOCAL, prepare, { tls });
}

function dial(listener: PeerListener, tls: TlsClient): Peer {
  return connectPeer(transport, listener.address, 5_000, { tls });
}

/** The server's end of the first connection, once it has one. */
async function firstOf(listener: PeerListener): Promise<Peer> {
  await listener.untilAccepted(1);
  return listener.peers[0] as Peer;
}

/** Both ends of a connection that works. */
async function connected(listener: PeerListener, tls: TlsClient): Promise<{ readonly near: Peer; readonly far: Peer }> {
  const count = listener.peers.length;
  const near = dial(listener, tls);
  await near.until(() => near.opened && listener.peers[count]?.opened === true);
  return { near, far: listener.peers[count] as Peer };
}

/** A connection the server refuses: what it heard about it. */
async function refusedByServer(listener: PeerListener, tls: TlsClient): Promise<string> {
  const count = listener.peers.length;
  const near = dial(listener, tls);
  await listener.untilAccepted(count + 1);
  const far = listener.peers[count] as Peer;
  await far.untilClosed();
  await near.until(() => near.closed || near.ended);
  near.connection.destroy();
  assert(!far.opened, "the handler saw a connection that was refused");
  assertEquals(codeOf(far.error), "CONNECTION_FAILED");
  assertStringIncludes(far.error?.message ?? "", `TLS handshake with "${far.connection.peer}" failed: `);
  return far.error?.message ?? "";
}

/** A connection we refuse, with our error. */
async function refusedByClient(tls: TlsServer, options: TlsClient): Promise<string> {
  const listener = await listen(tls);
  const near = dial(listener, options);
  await near.untilClosed();
  assert(!near.opened);
  assertEquals(codeOf(near.error), "CONNECTION_FAILED");
  await listener.stop();
  return near.error?.message ?? "";
}

describe(`TLS of the transport ${runtime.name}`, () => {
  after(() => PeerListener.stopAll());

  it("tells protocol, cipher and the name in a certificate that was verified", async () => {
    const listener = await listen(testTlsServer("node", "requested"));
    const { near, far } = await connected(listener, testTlsClient("operator"));
    assertEquals([near.connection.security?.protocol, far.connection.security?.protocol], ["TLSv1.3", "TLSv1.3"]);
    assert(/^TLS_[A-Z0-9_]+$/.test(far.connection.security?.cipher ?? ""), far.connection.security?.cipher);
    assertEquals([near.connection.security?.peerName, far.connection.security?.peerName], ["node", "operator"]);
    const nameless = await connected(listener, client);
    assertEquals(nameless.far.connection.security?.peerName, undefined);
    near.connection.destroy();
    nameless.near.connection.destroy();
    await listener.stop();
  });

  it("says nothing about a plain connection", async () => {
    const listener = await PeerListener.start(transport, LOCAL);
    const { client: near, server: far } = await listener.pair();
    assertEquals([near.connection.security, far.connection.security], [undefined, undefined]);
    near.connection.destroy();
    await listener.stop();
  });

  it("refuses a client without certificate where one is required, and a stranger's", async () => {
    const listener = await listen(testTlsServer("node", "required"));
    assertStringIncludes(await refusedByServer(listener, client), "it sent no certificate");
    assertStringIncludes(await refusedByServer(listener, testTlsClient("stranger")), "its certificate is refused (UNABLE_TO_");
    const { near } = await connected(listener, testTlsClient("operator"));
    near.connection.destroy();
    await listener.stop();
  });

  it("refuses a stranger's certificate even where none is required", async () => {
    const listener = await listen(testTlsServer("node", "requested"));
    assertStringIncludes(await refusedByServer(listener, testTlsClient("stranger")), "its certificate is refused");
    await listener.stop();
  });

  it("refuses a server of another authority, for another host, or past its time", async () => {
    const stranger: TlsClient = { ...client, authorities: readFileSync(certificatePath("stranger_ca.pem")) };
    assert(UNKNOWN_AUTHORITY.test(await refusedByClient(server, stranger)));
    assertStringIncludes(await refusedByClient(testTlsServer("elsewhere"), client), "ERR_TLS_CERT_ALTNAME_INVALID");
    // Deno does not tell it from one that is signed wrongly.
    const expired = runtime.name === "deno" ? "UNABLE_TO_VERIFY_LEAF_SIGNATURE" : "CERT_HAS_EXPIRED";
    assertStringIncludes(await refusedByClient(testTlsServer("expired"), client), expired);
    const { authorities: _, ...systemRoots } = client;
    assert(UNKNOWN_AUTHORITY.test(await refusedByClient(server, systemRoots)));
  });

  it("believes another name if told so, and everybody if told so", async () => {
    const elsewhere = await listen(testTlsServer("elsewhere"));
    const named = await connected(elsewhere, { ...client, serverName: "elsewhere.example" });
    named.near.connection.destroy();
    await elsewhere.stop();
    const expired = await listen(testTlsServer("expired"));
    const { near } = await connected(expired, { ...client, verify: false });
    assertEquals(near.connection.security?.peerName, undefined);
    near.connection.destroy();
    await expired.stop();
  });

  it("shows renewed certificates to new connections and keeps the old ones", async () => {
    const listener = await listen(server, (peer) => peer.echo());
    const before = await connected(listener, client);
    listener.listener.renew(testTlsServer("renewed", "required"));
    const after = await connected(listener, testTlsClient("operator"));
    assertEquals([before.near.connection.security?.peerName, after.near.connection.security?.peerName], ["node", "renewed"]);
    assertEquals(after.far.connection.security?.peerName, "operator");
    await refusedByServer(listener, client);
    before.near.connection.write(pattern(0, 1_000));
    await before.near.untilReceived(1_000);
    before.near.connection.destroy();
    after.near.connection.destroy();
    await listener.stop();
  });

  it("refuses certificates that cannot be used, and keeps the old ones", async () => {
    const bad: readonly [string, Partial<TlsServer>][] = [
      ["the key does not match the certificate", { key: testTlsServer("operator").key }],
      ["the chain contains no certificate", { certificateChain: server.key }],
      ["there is no private key", { key: server.certificateChain }],
      ["there is no CA certificate", { clientCertificates: { authorities: server.key, required: true } }],
      ["a certificate cannot be read", { certificateChain: pem("CERTIFICATE") }],
      ["the private key cannot be read", { key: pem("PRIVATE KEY") }],
    ];
    const listener = await listen(server);
    for (const [reason, change] of bad) {
      const tls = { ...server, ...change };
      const error = await assertRejects(() => listen(tls), FlareError);
      assertEquals(error.code, "INVALID_OPTION");
      assertStringIncludes(error.message, reason);
      assertStringIncludes(assertThrows(() => listener.listener.renew(tls), FlareError).message, reason);
    }
    const { near } = await connected(listener, client);
    assertEquals(near.connection.security?.peerName, "node");
    near.connection.destroy();
    await listener.stop();
  });

  it("tells a client whose own certificate cannot be used", async () => {
    const listener = await listen(server);
    const near = dial(listener, { ...testTlsClient("operator"), key: server.key });
    await near.untilClosed();
    assertStringIncludes(near.error?.message ?? "", "the key does not match the certificate");
    await listener.stop();
  });

  it("closes the connection of a client that does not speak TLS", async () => {
    const listener = await listen(server);
    const socket = net.connect({ host: "127.0.0.1", port: portOf(listener.address) });
    socket.write("get key\r\n");
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
    const far = await firstOf(listener);
    await far.untilClosed();
    assert(!far.opened);
    assertEquals(codeOf(far.error), "CONNECTION_FAILED");
    await listener.stop();
  });

  it("fails against a server that does not speak TLS", async () => {
    const listener = await PeerListener.start(transport, LOCAL, (peer) => {
      peer.handleData = () => peer.connection.write(new TextEncoder().encode("ERROR\r\n"));
    });
    const near = dial(listener, client);
    await near.untilClosed();
    assert(!near.opened);
    assertEquals(codeOf(near.error), "CONNECTION_FAILED");
    await listener.stop();
  });

  it("bounds the handshake of a silent client, and lets the handler end it", async () => {
    const hasty = new NodeTransport(runtime.log, { sharedReadBuffer: false, handshakeTimeoutMs: 200 });
    const listener = await PeerListener.start(hasty, LOCAL, undefined, { tls: server });
    const socket = net.connect({ host: "127.0.0.1", port: portOf(listener.address) });
    const far = await firstOf(listener);
    await far.untilClosed();
    assertEquals(codeOf(far.error), "TIMED_OUT");
    socket.destroy();
    const second = net.connect({ host: "127.0.0.1", port: portOf(listener.address) });
    await listener.untilAccepted(2);
    listener.peers[1]?.connection.destroy();
    await listener.peers[1]?.untilClosed();
    assertEquals(listener.peers[1]?.error, undefined);
    second.destroy();
    await listener.stop();
  });

  it("ends a connection that is refused when it is accepted, before any handshake", async () => {
    const listener = await listen(server, (peer) => peer.connection.destroy());
    const near = dial(listener, client);
    await near.untilClosed();
    const far = await firstOf(listener);
    await far.untilClosed();
    assertEquals([near.opened, far.opened, far.error], [false, false, undefined]);
    await listener.stop();
  });

  it("gives up a server that accepts and stays silent", async () => {
    const listener = await PeerListener.start(transport, LOCAL);
    const near = connectPeer(transport, listener.address, 300, { tls: client });
    await near.untilClosed();
    assertEquals(codeOf(near.error), "TIMED_OUT");
    await listener.stop();
  });

  it("speaks no older protocol than told", async () => {
    const listener = await listen({ ...server, minVersion: "TLSv1.3" });
    const port = portOf(listener.address);
    const versionOf = (maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<string | null> =>
      new Promise((resolve) => {
        const socket = tls.connect({ host: "127.0.0.1", port, ca: AUTHORITY, maxVersion }, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on("error", () => resolve(null));
      });
    assertEquals(await versionOf("TLSv1.2"), null);
    assertEquals(await versionOf("TLSv1.3"), "TLSv1.3");
    await listener.stop();
  });
});

/** A PEM block with nothing in it that could be a certificate or key. */
function pem(label: string): Uint8Array {
  return new TextEncoder().encode(`-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`);
}
