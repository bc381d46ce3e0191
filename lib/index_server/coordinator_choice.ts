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
import { ZooKeeperCoordinator } from "./zookeeper/zookeeper_coordinator.ts";

/** A service with several servers that can have the map. */
interface Service {
  /** The scheme of its URL. */
  readonly scheme: string;
  /** The scheme with TLS. */
  readonly secureScheme: string;
  readonly port: number;
  /** What the path of the URL names. */
  readonly pathName: "key" | "cluster";
  /** A valid path. */
  readonly path: RegExp;
}

const ETCD: Service = {
  scheme: "etcd",
  secureScheme: "etcds",
  port: 2379,
  pathName: "key",
  path: /^\/[\x21-\x7e]+$/,
};
const ZOOKEEPER: Service = {
  scheme: "zookeeper",
  secureScheme: "zookeepers",
  port: 2181,
  pathName: "cluster",
  path: /^(?:\/(?!\.{1,2}(?:\/|$))[\x21-\x2e\x30-\x7e]+)+$/,
};
const SERVICES = [ETCD, ZOOKEEPER];
const PLAIN_URLS = SERVICES.map(({ scheme }) => `${scheme}://`);
const SECURE_URLS = SERVICES.map(({ secureScheme }) => `${secureScheme}://`);

/**
 * @param remembers the newest map that was seen is remembered in `dataDir`
 * @throws FlareError INVALID_OPTION naming the option | IO_ERROR
 */
export async function chooseCoordinator(runtime: Runtime, options: IndexSettings, remembers = true): Promise<Coordinator> {
  const { indexDb, dataDir, indexDbAuthFile } = options;
  const [, scheme = "", rest = ""] = /^(\w+):\/\/(.*)$/.exec(indexDb) ?? [];
  const service = SERVICES.find((each) => scheme === each.scheme || scheme === each.secureScheme);
  if (service === undefined && indexDbAuthFile !== "") throw idle("index-db-auth-file", [...PLAIN_URLS, ...SECURE_URLS]);
  const tls = await serviceTls(runtime, options, service?.secureScheme === scheme);
  if (scheme === "file") return new FileCoordinator(runtime, rest);
  if (scheme === "memory") return new MemoryCoordinator();
  if (service === undefined) {
    const urls = ["file://", ...PLAIN_URLS, ...SECURE_URLS].map((url) => `"${url}"`);
    const text = `option "index-db" must begin with ${eitherOf(urls)}, or be "memory://", not "${indexDb}"`;
    throw new FlareError("INVALID_OPTION", text);
  }
  const { members, path } = parsePlace(indexDb, rest, service);
  const credentials = indexDbAuthFile === "" ? undefined : await readCredentials(runtime, indexDbAuthFile);
  const knownPath = remembers ? runtime.files.join(dataDir, `${service.scheme}.known`) : undefined;
  const servers = { members, tls, credentials, knownPath };
  if (service === ETCD) return new EtcdCoordinator(runtime, { ...servers, key: path });
  const host = options.serverName || runtime.process.hostName();
  return new ZooKeeperCoordinator(runtime, { ...servers, cluster: path, indexServer: { host, port: options.serverPort } });
}

/** The members and the path of `host:port,host:port/path`; the path begins with the slash. */
function parsePlace(indexDb: string, rest: string, service: Service): { members: HostPort[]; path: string } {
  const { scheme, pathName, port } = service;
  const wrong = (what: string) => {
    const form = `${scheme}://HOST:PORT[,HOST:PORT]/${pathName.toUpperCase()}`;
    return new FlareError("INVALID_OPTION", `option "index-db": "${indexDb}" ${what}; it is ${form}`);
  };
  const slash = rest.indexOf("/");
  const path = slash < 0 ? "" : rest.slice(slash);
  if (path === "" || path === "/") throw wrong(`names no ${pathName}`);
  if (!service.path.test(path)) throw wrong(`names an invalid ${pathName}, "${path}"`);
  const members = rest
    .slice(0, slash)
    .split(",")
    .map((text) => {
      const host = parseHost(text);
      const member = host === undefined ? parseHostPort(text) : { host, port };
      if (member === undefined || member.port === 0) throw wrong(`has no server "${text}"`);
      return member;
    });
  return { members, path };
}

async function readCredentials(runtime: Runtime, path: string): Promise<Credentials> {
  const option = "index-db-auth-file";
  const [first] = new AuthFile(path, await readFile(runtime, option, path)).users;
  return first as Credentials;
}

async function serviceTls(runtime: Runtime, options: IndexSettings, isUsed: boolean): Promise<TlsClient | undefined> {
  const { indexDbCaCert, indexDbCert, indexDbKey } = options;
  const paths = { "index-db-ca-cert": indexDbCaCert, "index-db-cert": indexDbCert, "index-db-key": indexDbKey };
  if (!isUsed) {
    for (const [option, path] of Object.entries(paths)) if (path !== "") throw idle(option, SECURE_URLS);
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

function idle(option: string, urls: readonly string[]): FlareError {
  const text = `option "${option}" has no effect: "index-db" does not begin with ${eitherOf(urls)}`;
  return new FlareError("INVALID_OPTION", text);
}

function eitherOf(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
