/** Both daemons' options for authentication and access. The lists are checked here; the files are read when a server starts. */

import { FlareError } from "../../base/errors.ts";
import { type HostPort, parseHostPort } from "../../base/host_port.ts";
import { integerOption, textOption } from "../../base/option_schema.ts";
import { AccessList } from "./access_list.ts";

/** The access options, the same for both daemons. */
export const accessOptions = {
  authFile: textOption({
    name: "auth-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "file of users, one user:password per line; every connection has to log in as one of them",
  }),
  authExempt: textOption({
    name: "auth-exempt",
    default: "",
    placeholder: "list",
    since: "2.0.0",
    reloadable: true,
    help: "addresses, networks and unix, whose connections need not log in",
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
    help: "log in to other servers of the cluster as this user of auth-file",
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
    help: "listen here too; these connections may run those commands whatever admin-access says",
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
    help: "how long a request may take to arrive completely; 0 is no limit",
  }),
};

/** Complete access settings. */
export interface AccessOptions {
  /**
   * File of users, one user:password per line; every connection has to log in as one of them.
   *
   * `auth-file` in files and flags.
   */
  readonly authFile: string;
  /**
   * Addresses, networks and unix, whose connections need not log in.
   *
   * `auth-exempt` in files and flags.
   */
  readonly authExempt: string;
  /**
   * How long a connection may take to log in.
   *
   * An integer from 1 to 86400000, in milliseconds; default 30000. `auth-timeout` in files and flags.
   */
  readonly authTimeoutMs: number;
  /**
   * Log in to other servers of the cluster as this user of `authFile`.
   *
   * `cluster-user` in files and flags.
   */
  readonly clusterUser: string;
  /**
   * Who may run commands of nodes and operators: addresses, networks, unix, user:NAME, cert:NAME, any, none.
   *
   * Default "any". `admin-access` in files and flags.
   */
  readonly adminAccess: string;
  /**
   * Listen here too; these connections may run those commands whatever `adminAccess` says.
   *
   * `admin-address` in files and flags.
   */
  readonly adminAddress: string;
  /**
   * How long a request may take to arrive completely; 0 is no limit.
   *
   * An integer from 0 to 86400000, in milliseconds; default 300000. `request-timeout` in files and flags.
   */
  readonly requestTimeoutMs: number;
}

/** The lists in the settings. @throws FlareError INVALID_OPTION naming the invalid entry */
export function accessLists(options: AccessOptions): { readonly exempt: AccessList; readonly admin: AccessList } {
  return {
    exempt: new AccessList("auth-exempt", options.authExempt, false),
    admin: new AccessList("admin-access", options.adminAccess, true),
  };
}

/** The operators' address, undefined = none. @throws FlareError INVALID_OPTION */
export function adminAddress({ adminAddress: text }: AccessOptions): HostPort | undefined {
  if (text === "") return undefined;
  const address = parseHostPort(text);
  if (address === undefined) throw new FlareError("INVALID_OPTION", `option "admin-address": "${text}" must be host:port`);
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
