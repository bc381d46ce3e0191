/** `watch` of one server, which is memcached's command: the lines of its event log, as they come. */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { formatHostPort } from "../base/host_port.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { byteStream } from "./byte_stream.ts";
import { type ConnectionOptions, completeConnectionOptions, connectionRuntime } from "./client_options.ts";

/**
 * The lines of a server's log, in batches; the first batch, which may be empty, means that the server has accepted. Ends when
 * `signal` is aborted. A reader that is slower than the log loses lines, which the server does not say.
 * @param kinds such as `fetchers` and `mutations`; none is the server's default
 * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED, with the server's answer | CORRUPT
 */
export async function* watchLines(
  runtime: Runtime,
  address: HostPort,
  kinds: readonly string[],
  options: ConnectionOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<string[]> {
  const settings = completeConnectionOptions(options);
  const from = connectionRuntime(runtime, options);
  const name = formatHostPort(address.host, address.port);
  const command = ["watch", ...kinds].join(" ");
  let held = "";
  let isAccepted = false;
  for await (const chunk of byteStream(from, address, fromLatin1(`${command}\r\n`), settings, signal)) {
    const lines = (held + latin1(chunk)).split("\n");
    held = lines.pop() ?? "";
    if (held.length > settings.replyBytesMax) throw new FlareError("CORRUPT", `"${name}" sent a line without an end`);
    const whole = lines.map((line) => line.replace(/\r$/, ""));
    if (!isAccepted) {
      const answer = whole.shift();
      if (answer === undefined) continue;
      if (answer !== "OK") throw new FlareError("REFUSED", `"${name}" answered "${answer}" to "${command}"`);
      isAccepted = true;
    }
    yield whole;
  }
  if (signal?.aborted) return;
  throw new FlareError("CONNECTION_FAILED", `"${name}" closed the connection`, { retriable: true });
}
