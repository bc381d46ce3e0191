/**
 * HTTP of a daemon: its port, its connections and what is at which path. It is served from the start on, before the daemon
 * serves its clients, so that its health can be asked for.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { Address, Connection, HttpProtocol, Runtime } from "../../runtime/runtime.ts";
import type { Access } from "../auth/access.ts";
import type { Guest, GuestHost } from "../connection/session_host.ts";
import type { Server } from "../server.ts";
import type { DaemonTls } from "../tls/daemon_tls.ts";
import { HttpConnection, type HttpConnectionHost } from "./http_connection.ts";
import { type GatedHandler, gated } from "./http_gate.ts";
import type { HttpRoutes } from "./http_handler.ts";
import type { HttpOptions } from "./http_options.ts";
import { HttpTokens } from "./http_tokens.ts";
import { httpUrl, OwnHosts } from "./own_hosts.ts";

/** The options it takes of a daemon. */
type Options = HttpOptions & { readonly enableSsl: boolean; readonly serverName: string };

const REFUSAL = fromLatin1("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");

export class HttpService implements GuestHost, HttpConnectionHost {
  readonly handler: GatedHandler;
  readonly refusal: Uint8Array = REFUSAL;
  readonly access: Access;
  ownHosts: OwnHosts;
  readonly tokens: HttpTokens;
  readonly #runtime: Runtime;
  readonly #server: Server;
  readonly #protocol: HttpProtocol | undefined;

  /** @throws FlareError INVALID_OPTION */
  constructor(runtime: Runtime, server: Server, options: Options, routes: HttpRoutes) {
    this.#runtime = runtime;
    this.#server = server;
    this.#protocol = runtime.http;
    this.access = server.access;
    this.ownHosts = this.#hostsOf(options);
    this.tokens = new HttpTokens(runtime);
    this.handler = gated(this, routes);
  }

  /**
   * Listens as the options say; undefined = they want no HTTP.
   * @throws FlareError UNSUPPORTED if the runtime has no HTTP, ADDRESS_IN_USE | IO_ERROR | INVALID_OPTION
   */
  async listen({ httpPort, httpBind, httpTokenFile, enableSsl }: Options, tls: DaemonTls): Promise<Address | undefined> {
    if (httpPort === 0) return undefined;
    if (this.#protocol === undefined) {
      throw new FlareError("UNSUPPORTED", `option "http-port": "${httpPort}" needs a runtime with HTTP, which this one is not`);
    }
    await this.tokens.open(httpTokenFile);
    const address = await tls.listen({ host: httpBind, port: httpPort }, enableSsl, { guests: this });
    this.#runtime.log.write("notice", `HTTP at ${httpUrl(address, enableSsl)}`);
    return address;
  }

  /** Applies reloadable options, and reads the token again. @throws FlareError INVALID_OPTION */
  async reload(options: Options): Promise<void> {
    this.ownHosts = this.#hostsOf(options);
    await this.tokens.reload(options.httpTokenFile);
  }

  receive(connection: Connection, ended: (guest: Guest, error?: Error) => void): Guest {
    return new HttpConnection(this.#protocol as HttpProtocol, connection, this, ended);
  }

  monotonicMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  unexpected(error: unknown): void {
    this.#server.unexpected(error);
  }

  #hostsOf({ httpBind, httpHosts, serverName }: Options): OwnHosts {
    const names = [this.#runtime.process.hostName(), ...(serverName === "" ? [] : [serverName])];
    return new OwnHosts(httpBind, names, httpHosts);
  }
}
