/**
 * Sockets on `node:net`, for Node and Deno. The cost of a small request is mostly the read buffer that the platform allocates
 * per chunk; `onread` with one buffer for all connections avoids it, but exists only for outgoing sockets. So an accepted
 * socket's handle is moved into a new `Socket` with `onread`, and bytes are written by the socket's own half of the stream,
 * without the other's queue. The handle is undocumented: if it is missing or different, 'data' events and plain writes do the
 * same, slower. Does not know what the bytes mean.
 */

import { chmodSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import { formatHostPort } from "../../base/host_port.ts";
import type {
  Address,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Log,
  TlsServer,
  Transport,
} from "../runtime.ts";
import { peerText } from "./address_text.ts";
import { NodeConnection, type PrivateHandle } from "./node_connection.ts";
import { listenFault } from "./socket_fault.ts";
import { HANDSHAKE_MS, READ_BUFFER_BYTES, SOCKET_BACKLOG, SOCKET_MODE } from "./socket_limits.ts";
import { TlsAcceptor } from "./tls_acceptor.ts";
import { removeOwnSocket, removeStaleSocket, socketInode } from "./unix_socket.ts";

export interface NodeTransportOptions {
  /** False: read by 'data' events only, as if the private handle were missing. */
  readonly sharedReadBuffer?: boolean;
  /** How long a TLS handshake may take, default `HANDSHAKE_MS`. */
  readonly handshakeTimeoutMs?: number;
  /** True if a paused TLS socket keeps reading, without a limit. */
  readonly pausesBelowTls?: boolean;
  /** The longest queue of connections not yet accepted, whatever is asked for. No limit if absent. */
  readonly backlogMax?: number | undefined;
}

type SocketWithHandle = Socket & { _handle?: PrivateHandle | null };

export class NodeTransport implements Transport {
  readonly #log: Log;
  readonly #readBuffer: Uint8Array | undefined;
  readonly #pausesBelowTls: boolean;
  readonly #handshakeTimeoutMs: number;
  readonly #backlogMax: number;

  constructor(log: Log, options: NodeTransportOptions = {}) {
    this.#log = log;
    this.#readBuffer = options.sharedReadBuffer === false ? undefined : new Uint8Array(READ_BUFFER_BYTES);
    this.#pausesBelowTls = options.pausesBelowTls ?? false;
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_MS;
    this.#backlogMax = options.backlogMax ?? Number.POSITIVE_INFINITY;
  }

  async listen(
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
    options: ListenOptions = {},
  ): Promise<Listener> {
    const acceptor = options.tls === undefined ? undefined : new TlsAcceptor(options.tls, this.#handshakeTimeoutMs);
    const server = createServer({ allowHalfOpen: acceptor === undefined, pauseOnConnect: acceptor === undefined });
    server.on("connection", (socket) => {
      if (acceptor === undefined) this.#accept(socket, accept);
      else acceptor.accept(new NodeConnection(peerOf(socket), undefined, this.#pausesBelowTls), socket, accept);
    });
    try {
      if ("path" in address) await removeStaleSocket(address.path);
      await startListening(server, address, Math.min(options.backlog ?? SOCKET_BACKLOG, this.#backlogMax));
      if ("path" in address) chmodSync(address.path, address.mode ?? SOCKET_MODE);
    } catch (error) {
      server.close();
      throw listenFault(error, address);
    }
    server.on("error", (error) => this.#log.write("warning", `cannot accept a connection: ${error.message}`));
    return new NodeListener(server, address, acceptor);
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options: ConnectOptions = {}): Connection {
    const readBuffer = options.tls === undefined ? this.#readBuffer : undefined;
    const connection = new NodeConnection(peerText(address), readBuffer, this.#pausesBelowTls);
    connection.open(address, timeoutMs, handler, options);
    return connection;
  }

  #accept(accepted: SocketWithHandle, accept: (connection: Connection) => ConnectionHandler): void {
    const peer = peerOf(accepted);
    const handle = accepted._handle;
    if (this.#readBuffer !== undefined && handle && typeof handle.useUserBuffer === "function") {
      const connection = new NodeConnection(peer, this.#readBuffer);
      accepted._handle = null;
      accepted.destroy(); // Without its handle this only updates the server's count.
      connection.start(new Socket(connection.socketOptions(handle)), accept);
    } else {
      accepted.resume();
      new NodeConnection(peer, undefined).start(accepted, accept);
    }
  }
}

function peerOf(socket: Socket): string {
  return socket.remoteAddress === undefined ? ":0" : formatHostPort(socket.remoteAddress, socket.remotePort ?? 0);
}

function startListening(server: Server, address: Address, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      "path" in address ? { path: address.path, backlog } : { host: address.host, port: address.port, backlog },
      () => {
        server.off("error", reject);
        resolve();
      },
    );
  });
}

class NodeListener implements Listener {
  readonly address: Address;
  readonly #server: Server;
  readonly #inode: number | undefined;
  readonly #acceptor: TlsAcceptor | undefined;

  constructor(server: Server, asked: Address, acceptor: TlsAcceptor | undefined) {
    this.#server = server;
    this.#acceptor = acceptor;
    const bound = server.address();
    this.address =
      "path" in asked || bound === null || typeof bound === "string" ? asked : { host: asked.host, port: bound.port };
    this.#inode = "path" in asked ? socketInode(asked.path) : undefined;
  }

  renew(tls: TlsServer): void {
    this.#acceptor?.renew(tls);
  }

  async close(): Promise<void> {
    // Its callback would wait for open connections, which stay open.
    this.#server.close();
    if ("path" in this.address) removeOwnSocket(this.address.path, this.#inode);
  }
}
