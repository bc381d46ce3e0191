/** A client's server, timeouts and limits. Knows no protocol. */

import { GIB, MIB } from "../base/byte_units.ts";
import { utf8AsLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import { type FieldsOf, hostField, integerField, objectField, stringField } from "../base/given_fields.ts";
import { PORT_MAX } from "../base/host_port.ts";
import { DELAY_MS_MAX } from "../base/number_bounds.ts";
import { isSayable } from "../net/auth/auth_file.ts";
import { withLogin } from "../net/auth/login_transport.ts";
import { runtimeField } from "../net/given_runtime.ts";
import type { PeerOptions } from "../net/peer/peer_link.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type ClientTls, clientTlsFields, tlsClientOf } from "./client_tls.ts";

/** The options of a connection to a server; all have defaults. */
export interface ConnectionOptions {
  /** How long opening a connection may take, in milliseconds; default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long the server may be silent while an answer is due, in milliseconds; default 10000. */
  readonly replyTimeoutMs?: number;
  /** Limit of unsent requests in bytes; default 64 MiB. */
  readonly queueBytesMax?: number;
  /** The longest answer accepted, in bytes; default 1 GiB. */
  readonly replyBytesMax?: number;
  /** The user to log in as if the server requires it (option `auth-file`); with `password`, both without spaces. */
  readonly user?: string;
  /** The password of `user`. */
  readonly password?: string;
  /** Use TLS; `{}` means with the runtime's CAs, without a client certificate, TLS 1.2 or later. Default: no TLS. */
  readonly tls?: ClientTls;
}

/** A client's server and connection options; all have defaults. */
export interface ClientOptions extends ConnectionOptions {
  /** The server's name or IP address, an IPv6 address with or without brackets; default `127.0.0.1`. */
  readonly host?: string;
  /** The server's port, 1 … 65535; default 12121. */
  readonly port?: number;
  /** The runtime for sockets and clocks; default `detectRuntime({ logLevel: "warning" })`. */
  readonly runtime?: Runtime;
}

/** The fields a program may pass for a connection. */
export const connectionFields: FieldsOf<ConnectionOptions> = {
  connectTimeoutMs: integerField(1, DELAY_MS_MAX),
  replyTimeoutMs: integerField(1, DELAY_MS_MAX),
  queueBytesMax: integerField(1),
  replyBytesMax: integerField(1),
  user: stringField,
  password: stringField,
  tls: objectField(clientTlsFields),
};

/** The fields a program may pass to a client. */
export const clientFields: FieldsOf<ClientOptions> = {
  ...connectionFields,
  host: hostField,
  port: integerField(1, PORT_MAX),
  runtime: runtimeField,
};

/** The options with their defaults filled in. */
export function completeConnectionOptions(options: ConnectionOptions): PeerOptions {
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    replyTimeoutMs: options.replyTimeoutMs ?? 10000,
    queueBytesMax: options.queueBytesMax ?? 64 * MIB,
    replyBytesMax: options.replyBytesMax ?? GIB,
    ...(options.tls === undefined ? {} : { tls: { client: tlsClientOf(options.tls) } }),
  };
}

/** The runtime for a client's connections, which log in if there is a user. @throws FlareError INVALID_OPTION */
export function connectionRuntime(runtime: Runtime, { user, password }: ConnectionOptions): Runtime {
  if (user === undefined && password === undefined) return runtime;
  if (user === undefined || password === undefined) {
    throw new FlareError("INVALID_OPTION", 'options "user" and "password" are given together or not at all');
  }
  const credentials = { user: utf8AsLatin1(user), password: utf8AsLatin1(password) };
  if (!isSayable(credentials)) {
    throw new FlareError("INVALID_OPTION", `option "user": a text login cannot send the name or password of "${user}"`);
  }
  return withLogin(runtime, () => credentials);
}
