/** The coordinator that `index-db` names. */

import { FlareError } from "../base/errors.ts";
import { type HostPort, parseHost, parseHostPort } from "../base/host_port.ts";
import { onlyPemBlocks } from "../base/pem.ts";
import { AuthFile, type Credentials } from "../net/auth/auth_file.ts";
import type { Runtime, TlsClient } from "../runtime/runtime.ts";
import type { Coordinator } from "./coordinator.ts";
import { EtcdCoordinator } from "./etcd/etcd_coordinator.ts";
import { FileCoordinator } from "./file_coordinator.ts";
import type { IndexSettings } from "./index_options.ts";
import { MemoryCoordinator } from "./memory_coordinator.ts";

const ETCD_PORT = 2379;
const MARK = "etcd.known";

/** @throws FlareError INVALID_OPTION naming the option | IO_ERROR */
export async function chooseCoordinator(runtime: Runtime, options: IndexSettings): Promise<Coordinator> {
  const { indexDb, dataDir, indexDbAuthFile } = options;
  const [, scheme = "", rest = ""] = /^(\w+):\/\/(.*)$/.exec(indexDb) ?? [];
  const isEtcd = scheme === "etcd" || scheme === "etcds";
  if (!isEtcd && indexDbAuthFile !== "") throw idle("index-db-auth-file", "etcd:// or etcds://");
  const tls = await etcdTls(runtime, options, scheme === "etcds");
  if (scheme === "file") return new FileCoordinator(runtime, rest);
  if (scheme === "memory") return new MemoryCoordinator();
  if (!isEtcd) {
    const text = `option "index-db" must begin with "file://", "etcd://" or "etcds://", or be "memory://", not "${indexDb}"`;
    throw new FlareError("INVALID_OPTION", text);
  }
  const credentials = indexDbAuthFile === "" ? undefined : await readCredentials(runtime, indexDbAuthFile);
  return new EtcdCoordinator(runtime, {
    ...parsePlace(indexDb, rest),
    tls,
    credentials,
    markPath: runtime.files.join(dataDir, MARK),
  });
}

/** The members and the key of `host:port,host:port/key`; the key begins with the slash. */
function parsePlace(indexDb: string, rest: string): { members: HostPort[]; key: string } {
  const wrong = (what: string) =>
    new FlareError("INVALID_OPTION", `option "index-db": "${indexDb}" ${what}; it is etcd://HOST:PORT[,HOST:PORT]/KEY`);
  const slash = rest.indexOf("/");
  const key = slash < 0 ? "" : rest.slice(slash);
  if (!/^\/[\x21-\x7e]+$/.test(key)) throw wrong("names no key");
  const members = rest
    .slice(0, slash)
    .split(",")
    .map((text) => {
      const host = parseHost(text);
      const member = host === undefined ? parseHostPort(text) : { host, port: ETCD_PORT };
      if (member === undefined || member.port === 0) throw wrong(`has no server "${text}"`);
      return member;
    });
  return { members, key };
}

async function readCredentials(runtime: Runtime, path: string): Promise<Credentials> {
  const option = "index-db-auth-file";
  const [first] = new AuthFile(path, await readFile(runtime, option, path)).users;
  return first as Credentials;
}

async function etcdTls(runtime: Runtime, options: IndexSettings, isUsed: boolean): Promise<TlsClient | undefined> {
  const { indexDbCaCert, indexDbCert, indexDbKey } = options;
  const paths = { "index-db-ca-cert": indexDbCaCert, "index-db-cert": indexDbCert, "index-db-key": indexDbKey };
  if (!isUsed) {
    for (const [option, path] of Object.entries(paths)) if (path !== "") throw idle(option, "etcds://");
    return undefined;
  }
  if ((indexDbCert === "") !== (indexDbKey === "")) {
    throw new FlareError("INVALID_OPTION", 'options "index-db-cert" and "index-db-key": one needs the other');
  }
  const pem = async (option: keyof typeof paths, label: string) => {
    const blocks = onlyPemBlocks(await readFile(runtime, option, paths[option]), label);
    if (blocks.length > 0) return blocks;
    throw new FlareError("INVALID_OPTION", `option "${option}": "${paths[option]}" contains no PEM "${label}"`);
  };
  return {
    verify: true,
    minVersion: "TLSv1.2",
    ...(indexDbCaCert === "" ? {} : { authorities: await pem("index-db-ca-cert", "CERTIFICATE") }),
    ...(indexDbCert === ""
      ? {}
      : { certificateChain: await pem("index-db-cert", "CERTIFICATE"), key: await pem("index-db-key", "PRIVATE KEY") }),
  };
}

async function readFile(runtime: Runtime, option: string, path: string): Promise<Uint8Array> {
  const bytes = await runtime.files.read(path);
  if (bytes === undefined) throw new FlareError("INVALID_OPTION", `option "${option}": file "${path}" does not exist`);
  return bytes;
}

function idle(option: string, scheme: string): FlareError {
  return new FlareError("INVALID_OPTION", `option "${option}" has no effect: "index-db" does not begin with ${scheme}`);
}
