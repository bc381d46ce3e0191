/**
 * Certificates, keys and the verification of the other side with `node:tls`, for all three runtimes. Detects unusable
 * certificates here and not in the first handshake, as Deno would.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { type ConnectionOptions, connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { FlareError } from "../../base/errors.ts";
import { pemBlocks } from "../../base/pem.ts";
import { systemCode } from "../files/io_fault.ts";
import type { Address, ConnectionSecurity, TlsClient } from "../runtime.ts";

/** Cached for all connections with the same certificates: parsing costs more than a handshake. */
const contexts = new WeakMap<TlsClient, SecureContext>();

/** Our certificate and its key, checked. @throws FlareError INVALID_OPTION */
export function identityOf(certificateChain: Uint8Array, key: Uint8Array): { readonly cert: string; readonly key: string } {
  const [first, ...others] = certificatesOf(certificateChain);
  const privateKey = privateKeyOf(key);
  if (first === undefined) throw new FlareError("INVALID_OPTION", "the chain contains no certificate");
  if (!first.certificate.checkPrivateKey(privateKey))
    throw new FlareError("INVALID_OPTION", "the key does not match the certificate");
  return {
    cert: [first, ...others].map(({ text }) => `${text}\n`).join(""),
    // The one format that all runtimes read.
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

/** CA certificates, checked. @throws FlareError INVALID_OPTION */
export function authoritiesOf(file: Uint8Array): string[] {
  const found = certificatesOf(file);
  if (found.length === 0) throw new FlareError("INVALID_OPTION", "there is no CA certificate");
  return found.map(({ text }) => text);
}

/** Starts a connection, to `ip` if given; `secureConnect` or `error` follows. @throws Error */
export function connectTls(address: Address, tls: TlsClient, ip?: string): TLSSocket {
  const name = tls.serverName ?? ("path" in address || ip === undefined ? undefined : address.host);
  // The declared type lacks the option for half-open sockets.
  const options: ConnectionOptions & { allowHalfOpen: true } = {
    ...("path" in address ? { path: address.path } : { host: ip ?? address.host, port: address.port }),
    ...(name === undefined ? {} : { servername: name }),
    secureContext: contextOf(tls),
    rejectUnauthorized: tls.verify,
    allowHalfOpen: true,
  };
  return connect(options);
}

/** Why a client's certificate is refused; undefined if it is valid. */
export function peerRefusal(socket: TLSSocket, required: boolean): Error | undefined {
  // Checked first: a resumed TLS 1.3 session counts as authorized although no certificate was ever sent.
  if (Object.keys(socket.getPeerCertificate() ?? {}).length === 0) {
    return required ? new Error("it sent no certificate") : undefined;
  }
  return socket.authorized ? undefined : new Error(`its certificate is refused (${socket.authorizationError})`);
}

/** The part of the handle below a TLS socket that we use. */
export interface ReadingHandle {
  readStop(): void;
  readStart(): void;
}

/** The handle below a TLS socket, if it can be paused: undocumented. */
export function handleBelow(socket: TLSSocket): ReadingHandle | undefined {
  const { _handle: handle } = socket as TLSSocket & { readonly _handle?: { readonly _parent?: Partial<ReadingHandle> } | null };
  const below = handle?._parent;
  return typeof below?.readStop === "function" && typeof below.readStart === "function" ? (below as ReadingHandle) : undefined;
}

/** The results of the handshake. */
export function securityOf(socket: TLSSocket): ConnectionSecurity {
  return {
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.name ?? "",
    peerName: socket.authorized ? commonNameOf(socket) : undefined,
  };
}

function commonNameOf(socket: TLSSocket): string | undefined {
  // A certificate with several common names has an array here, contrary to the declared type.
  const name: unknown = socket.getPeerCertificate()?.subject?.CN;
  return typeof name === "string" ? name : undefined;
}

function contextOf(tls: TlsClient): SecureContext {
  let context = contexts.get(tls);
  if (context === undefined) {
    const { authorities, certificateChain, key, minVersion } = tls;
    context = createSecureContext({
      ...(authorities === undefined ? {} : { ca: authoritiesOf(authorities) }),
      ...(certificateChain === undefined || key === undefined ? {} : identityOf(certificateChain, key)),
      minVersion,
    });
    contexts.set(tls, context);
  }
  return context;
}

function certificatesOf(file: Uint8Array): { readonly text: string; readonly certificate: X509Certificate }[] {
  return pemBlocks(file, "CERTIFICATE").map((text) => {
    try {
      return { text, certificate: new X509Certificate(text) };
    } catch (cause) {
      throw new FlareError("INVALID_OPTION", `a certificate cannot be read: ${reasonOf(cause)}`, { cause });
    }
  });
}

function privateKeyOf(file: Uint8Array): KeyObject {
  const [text] = pemBlocks(file, "PRIVATE KEY");
  if (text === undefined) throw new FlareError("INVALID_OPTION", "there is no private key");
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new FlareError("INVALID_OPTION", `the private key cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.message : String(error));
}
