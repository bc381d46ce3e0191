/**
 * The options of both daemons about who may come in and who may do what. The texts of lists are checked here; the files
 * they name are read when a server starts.
 */

import { FlareError } from "../../base/errors.ts";
import { type HostPort, parseHostPort } from "../../base/host_port.ts";
import { integerOption, textOption } from "../../base/option_schema.ts";
import { AccessList } from "./access_list.ts";

/** Options of access, alike for both daemons. */
export const accessOptions = {
  authFile: textOption({
    name: "auth-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "users as user:password, one a line; every connection has to log in as one of them",
  }),
  authExempt: textOption({
    name: "auth-exempt",
    default: "",
    placeholder: "list",
    since: "2.0.0",
    reloadable: true,
    help: "addresses and networks whose connections need not log in, or unix",
  }),
  authTimeoutMs: integerOption({
    name: "auth-timeout",
    default: 30,
    min: 1,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how long a connection may take to log in",
  }),
  clusterUser: textOption({
    name: "cluster-user",
    default: "",
    placeholder: "name",
    since: "2.0.0",
    reloadable: true,
    help: "log in to other servers of the cluster by this name, whose password is in auth-file",
  }),
  adminAccess: textOption({
    name: "admin-access",
    default: "any",
    placeholder: "list",
    since: "2.0.0",
    reloadable: true,
    help: "who may run commands of nodes and operators: addresses, networks, unix, user:NAME, cert:NAME, any, none",
  }),
  adminAddress: textOption({
    name: "admin-address",
    default: "",
    placeholder: "host:port",
    since: "2.0.0",
    help: "listen here too, for connections that may run those commands whatever admin-access says",
  }),
  requestTimeoutMs: integerOption({
    name: "request-timeout",
    default: 300,
    min: 0,
    max: 86400,
    unit: "s",
    scale: 1000,
    since: "2.0.0",
    reloadable: true,
    help: "how long a request may take to arrive completely; 0 is for ever",
  }),
};

/** The settings of access, complete. */
export interface AccessOptions {
  readonly authFile: string;
  readonly authExempt: string;
  readonly authTimeoutMs: number;
  readonly clusterUser: string;
  readonly adminAccess: string;
  readonly adminAddress: string;
  readonly requestTimeoutMs: number;
}

/** The lists that settings name. @throws FlareError INVALID_OPTION naming the entry that cannot be understood */
export function accessLists(options: AccessOptions): { readonly exempt: AccessList; readonly admin: AccessList } {
  return {
    exempt: new AccessList("auth-exempt", options.authExempt, false),
    admin: new AccessList("admin-access", options.adminAccess, true),
  };
}

/** Where operators connect, undefined where there is no such place. @throws FlareError INVALID_OPTION */
export function adminAddress({ adminAddress: text }: AccessOptions): HostPort | undefined {
  if (text === "") return undefined;
  const address = parseHostPort(text);
  if (address === undefined) throw new FlareError("INVALID_OPTION", `option "admin-address": "${text}" is not host:port`);
  return address;
}

/** Checks what can be checked without reading a file. @throws FlareError INVALID_OPTION */
export function checkAccessOptions(options: AccessOptions): void {
  accessLists(options);
  adminAddress(options);
  if (options.clusterUser !== "" && options.authFile === "") {
    throw new FlareError(
      "INVALID_OPTION",
      `option "cluster-user": "${options.clusterUser}" needs "auth-file" for its password`,
    );
  }
}
