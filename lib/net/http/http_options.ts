/** Both daemons' options for HTTP, and the checks between them. */

import { FlareError } from "../../base/errors.ts";
import { parseHost } from "../../base/host_port.ts";
import type { OptionValues } from "../../base/option_schema.ts";
import { hostOption, portOption, textOption } from "../../base/option_schema.ts";

/** The HTTP options, the same for both daemons. */
export const httpOptions = {
  httpPort: portOption({
    name: "http-port",
    default: 0,
    min: 0,
    since: "2.0.0",
    help: "the port for HTTP: health and metrics; 0 is none",
  }),
  httpBind: hostOption({
    name: "http-bind",
    default: "127.0.0.1",
    placeholder: "address",
    since: "2.0.0",
    help: "the address to listen on for HTTP",
  }),
  httpHosts: textOption({
    name: "http-hosts",
    default: "",
    placeholder: "list",
    since: "2.0.0",
    reloadable: true,
    help: "further names and addresses under which HTTP clients may reach this server",
  }),
  httpTokenFile: textOption({
    name: "http-token-file",
    default: "",
    placeholder: "path",
    since: "2.0.0",
    reloadable: true,
    help: "file with the token that changes and looks at data need over HTTP; default: neither is possible",
  }),
};

/** Complete HTTP settings. */
export type HttpOptions = OptionValues<typeof httpOptions>;

/** The entries of `http-hosts`, in lower case. @throws FlareError INVALID_OPTION naming the invalid entry */
export function httpHostList(text: string): string[] {
  if (text.trim() === "") return [];
  return text.split(",").map((entry) => {
    const host = parseHost(entry.trim());
    if (host === undefined) {
      throw new FlareError("INVALID_OPTION", `option "http-hosts": "${entry.trim()}" is not a host name or an IP address`);
    }
    return host.toLowerCase();
  });
}

/** Checks that the options are consistent. @throws FlareError INVALID_OPTION */
export function checkHttpOptions({ httpPort, httpBind, httpHosts, httpTokenFile }: HttpOptions): void {
  if (httpHostList(httpHosts).length > 0 && httpPort === 0) {
    throw new FlareError("INVALID_OPTION", `option "http-hosts": "${httpHosts}" has no effect without "http-port"`);
  }
  if (httpTokenFile !== "" && httpPort === 0) {
    throw new FlareError("INVALID_OPTION", `option "http-token-file": "${httpTokenFile}" has no effect without "http-port"`);
  }
  if (httpBind === "") throw new FlareError("INVALID_OPTION", 'option "http-bind" is empty: it must be an address');
}
