/**
 * The certificates of a daemon: reads them from their files, and reloads them at run time, for its listeners and its outgoing
 * connections. Knows files and PEM, not the handshake.
 */

import { FlareError } from "../../base/errors.ts";
import { onlyPemBlocks } from "../../base/pem.ts";
import type { Address, Runtime, TlsClient, TlsServer } from "../../runtime/runtime.ts";
import type { ListenerTraits } from "../connection/session_host.ts";
import type { Server } from "../server.ts";
import type { TlsLink } from "./tls_link.ts";
import { type TlsOptions, tlsVersionOf } from "./tls_options.ts";

interface Certificates {
  readonly server: TlsServer;
  readonly client: TlsClient;
}

export class DaemonTls implements TlsLink {
  readonly #runtime: Runtime;
  readonly #server: Server;
  readonly #enabled: boolean;
  #options: TlsOptions;
  #certificates: Certificates | undefined;
  /** The last renewal: renewals run one after the other. */
  #tail: Promise<void> = Promise.resolve();

  /** @param sslPort flared's `ssl-port`, 0 = none */
  constructor(runtime: Runtime, server: Server, options: TlsOptions, sslPort = 0) {
    this.#runtime = runtime;
    this.#server = server;
    this.#options = options;
    this.#enabled = options.enableSsl || sslPort > 0;
  }

  /** TLS for connections to other servers; undefined = plain text. */
  get client(): TlsClient | undefined {
    return this.#options.enableSsl ? this.#loaded.client : undefined;
  }

  get #loaded(): Certificates {
    // A wrong call order must never lead to a plain connection.
    if (this.#certificates === undefined) throw new FlareError("CLOSED", "the certificates are not loaded yet");
    return this.#certificates;
  }

  /** Whether any listener speaks TLS. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Listens, with TLS if `secure`, after `renew`. @throws FlareError INVALID_OPTION | ADDRESS_IN_USE | IO_ERROR */
  async listen(address: Address, secure: boolean, traits: ListenerTraits = {}): Promise<Address> {
    try {
      return await this.#server.listen(address, { ...traits, tls: secure ? this.#loaded.server : undefined });
    } catch (error) {
      throw naming(error, this.#options);
    }
  }

  /**
   * Reads the files, at startup and whenever they may have changed; connections from now on use them. If that fails everything
   * stays as it was.
   * @throws FlareError INVALID_OPTION naming the option and the file
   */
  renew(options: TlsOptions = this.#options): Promise<void> {
    const renewal = this.#tail.then(() => this.#renew(options));
    this.#tail = renewal.catch(() => undefined);
    return renewal;
  }

  /** The same for a running daemon, with the outcome in the log. */
  async reload(options: TlsOptions): Promise<void> {
    if (!this.#enabled) return;
    try {
      await this.renew(options);
      this.#runtime.log.write("notice", "certificates renewed");
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("error", `certificates not renewed, the old ones stay: ${error.message}`);
    }
  }

  async #renew(options: TlsOptions): Promise<void> {
    if (!this.#enabled) return;
    // After a failure, too: the next attempt reads the current settings.
    this.#options = { ...options, enableSsl: this.#options.enableSsl };
    const certificates = await this.#read(options);
    try {
      this.#server.renewTls(certificates.server);
    } catch (error) {
      throw naming(error, options);
    }
    this.#certificates = certificates;
  }

  async #read(options: TlsOptions): Promise<Certificates> {
    const { sslChainCert, sslKey, sslCaCert, sslVerifyMode } = options;
    const minVersion = tlsVersionOf(options);
    const certificateChain = await this.#pem("ssl-chain-cert", sslChainCert, "CERTIFICATE");
    const [keyOption, keyPath] = sslKey === "" ? ["ssl-chain-cert", sslChainCert] : ["ssl-key", sslKey];
    const key = await this.#pem(keyOption, keyPath, "PRIVATE KEY");
    const authorities = sslCaCert === "" ? undefined : await this.#pem("ssl-ca-cert", sslCaCert, "CERTIFICATE");
    const asksClients = sslVerifyMode > 0 && authorities !== undefined;
    return {
      server: {
        certificateChain,
        key,
        minVersion,
        ...(asksClients ? { clientCertificates: { authorities, required: sslVerifyMode > 1 } } : {}),
      },
      client: { certificateChain, key, minVersion, verify: true, ...(authorities === undefined ? {} : { authorities }) },
    };
  }

  /** The PEM blocks with a label in an option's file. */
  async #pem(option: string, path: string, label: string): Promise<Uint8Array> {
    const file = await this.#runtime.files.read(path).catch((cause: Error) => {
      throw new FlareError("INVALID_OPTION", `option "${option}": ${cause.message}`, { cause });
    });
    if (file === undefined) throw new FlareError("INVALID_OPTION", `option "${option}": file "${path}" does not exist`);
    const blocks = onlyPemBlocks(file, label);
    if (blocks.length === 0) {
      throw new FlareError("INVALID_OPTION", `option "${option}": "${path}" contains no PEM "${label}"`);
    }
    return blocks;
  }
}

/** Adds the files to an error about certificates; returns other errors unchanged. */
function naming(error: unknown, { sslChainCert, sslKey, sslCaCert }: TlsOptions): unknown {
  if (!(error instanceof FlareError) || error.code !== "INVALID_OPTION") return error;
  const files = Object.entries({ "ssl-chain-cert": sslChainCert, "ssl-key": sslKey, "ssl-ca-cert": sslCaCert });
  const named = files.filter(([, path]) => path !== "").map(([option, path]) => `"${option}" "${path}"`);
  return new FlareError("INVALID_OPTION", `${named.join(", ")}: ${error.message}`, { cause: error });
}
