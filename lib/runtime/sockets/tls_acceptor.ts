/**
 * The listening half of TLS, for all three runtimes: their `node:tls` gets sockets that are already accepted, so that a
 * connection is counted and limited from its first byte on, and certificates can be renewed while listening. Does not know what
 * the bytes mean.
 */

import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Connection, ConnectionHandler, TlsServer } from "../runtime.ts";
import type { NodeConnection } from "./node_connection.ts";
import { authoritiesOf, identityOf, peerRefusal } from "./tls_socket.ts";

/** The socket under a `TLSSocket`: undocumented, but the same in all three runtimes. */
type TlsSocketOver = TLSSocket & { readonly _parent?: Socket };

export class TlsAcceptor {
  readonly #timeoutMs: number;
  readonly #handshakes = new WeakMap<Socket, NodeConnection>();
  #server: Server;

  /** @param timeoutMs how long a handshake may take. @throws FlareError INVALID_OPTION */
  constructor(tls: TlsServer, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#server = this.#serverFor(tls);
  }

  /** Handshakes from now on use `tls`. @throws FlareError INVALID_OPTION */
  renew(tls: TlsServer): void {
    this.#server = this.#serverFor(tls);
  }

  /** Begins the handshake over an accepted socket. */
  accept(connection: NodeConnection, socket: Socket, accept: (connection: Connection) => ConnectionHandler): void {
    if (!connection.startHandshake(socket, this.#timeoutMs, accept)) return;
    this.#handshakes.set(socket, connection);
    this.#server.emit("connection", socket);
  }

  /** A TLS server that never listens. */
  #serverFor({ certificateChain, key, clientCertificates, minVersion }: TlsServer): Server {
    const server = createServer({
      ...identityOf(certificateChain, key),
      ...(clientCertificates === undefined ? {} : { ca: authoritiesOf(clientCertificates.authorities) }),
      minVersion,
      requestCert: clientCertificates !== undefined,
      // Verified below: the runtimes treat invalid ones differently.
      rejectUnauthorized: false,
    });
    server.on("secureConnection", (socket) => {
      const connection = this.#connectionOf(socket);
      const refusal = clientCertificates === undefined ? undefined : peerRefusal(socket, clientCertificates.required);
      if (connection !== undefined && refusal === undefined) return connection.secured(socket);
      connection?.refuse(refusal);
      socket.destroy();
    });
    server.on("tlsClientError", (error, socket) => {
      this.#connectionOf(socket)?.refuse(error);
      socket.destroy();
    });
    return server;
  }

  #connectionOf(socket: TlsSocketOver): NodeConnection | undefined {
    return socket._parent === undefined ? undefined : this.#handshakes.get(socket._parent);
  }
}
