/**
 * The certificates of a daemon: read from their files, shown by its listeners, presented and expected where it connects,
 * and read again on demand while both go on. Knows files and PEM, not what a handshake does with them.
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
  /** The renewal under way: two of them must not overtake each other. */
  #tail: Promise<void> = Promise.resolve();

  /** @param sslPort flared's `ssl-port`, 0 = none */
  constructor(runtime: Runtime, server: Server, options: TlsOptions, sslPort = 0) {
    this.#runtime = runtime;
    this.#server = server;
    this.#options = options;
    this.#enabled = options.enableSsl || sslPort > 0;
  }

  /** How we speak to other servers; undefined = plainly. */
  get client(): TlsClient | undefined {
    return this.#options.enableSsl ? this.#loaded.client : undefined;
  }

  get #loaded(): Certificates {
    // Never plainly because of a mistake in the order of things.
    if (this.#certificates === undefined) throw new FlareError("CLOSED", "the certificates are not read yet");
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
   * Reads the files, at the start and whenever they may have changed; connections from now on use what they say. On a
   * fault everything stays as it was.
   * @throws FlareError INVALID_OPTION naming the option and the file
   */
  renew(options: TlsOptions = this.#options): Promise<void> {
    const renewal = this.#tail.then(() => this.#renew(options));
    this.#tail = renewal.catch(() => undefined);
    return renewal;
  }

  /** The same for a daemon that runs: says in the log how it went. */
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
    // Also after a fault: the next attempt reads what is configured now.
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

  /** The blocks of a kind in the file an option names. */
  async #pem(option: string, path: string, label: string): Promise<Uint8Array> {
    const file = await this.#runtime.files.read(path).catch((cause: Error) => {
      throw new FlareError("INVALID_OPTION", `option "${option}": ${cause.message}`, { cause });
    });
    if (file === undefined) throw new FlareError("INVALID_OPTION", `option "${option}": there is no file "${path}"`);
    const blocks = onlyPemBlocks(file, label);
    if (blocks.length === 0) {
      throw new FlareError("INVALID_OPTION", `option "${option}": "${path}" holds no "${label}" in PEM form`);
    }
    return blocks;
  }
}

/** What is wrong with the certificates, together with where they come from; other faults as they are. */
function naming(error: unknown, { sslChainCert, sslKey, sslCaCert }: TlsOptions): unknown {
  if (!(error instanceof FlareError) || error.code !== "INVALID_OPTION") return error;
  const files = Object.entries({ "ssl-chain-cert": sslChainCert, "ssl-key": sslKey, "ssl-ca-cert": sslCaCert });
  const named = files.filter(([, path]) => path !== "").map(([option, path]) => `"${option}" "${path}"`);
  return new FlareError("INVALID_OPTION", `${named.join(", ")}: ${error.message}`, { cause: error });
}
