/** One HTTP request over played connections: what is sent, and whether a failure leaves its outcome open. */

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { exchangeHttp } from "../../../../lib/index_server/etcd/http_exchange.ts";
import { type FarEnd, PlayedNetwork } from "../../../support/played_network.ts";

const REQUEST = {
  server: { host: "e", port: 1 },
  tls: undefined,
  path: "/v3/x",
  headers: { Authorization: "t" },
  body: '{"k":"\xe4"}',
  timeoutMs: 500,
};

/** A network in which `answer` is what the server does with a request. */
function networkWith(answer: (far: FarEnd) => void): PlayedNetwork {
  const network = new PlayedNetwork();
  network.onConnect = (_key, far) => {
    far.onReceived = () => {
      if (far.received.includes(REQUEST.body)) answer(far);
    };
  };
  return network;
}

async function failureOf(network: PlayedNetwork, passMs = 0): Promise<string> {
  const failing = assertRejects(() => exchangeHttp(network.runtime, REQUEST), FlareError) as Promise<FlareError>;
  await network.pass(passMs);
  const { code, message } = await network.during(failing);
  return `${code} ${message}`;
}

describe("an HTTP exchange", () => {
  it("sends a POST and gives the answer, in whatever pieces it comes", async () => {
    let sent = "";
    const network = networkWith((far) => {
      sent = far.received;
      far.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    assertEquals(await network.during(exchangeHttp(network.runtime, REQUEST)), { status: 200, body: "{}" });
    const head = "POST /v3/x HTTP/1.1\r\nHost: e:1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n";
    assertEquals(sent, `${head}Connection: close\r\nAuthorization: t\r\n\r\n${REQUEST.body}`);
  });

  it("without a connection was not received", async () => {
    const network = new PlayedNetwork();
    network.unreachable.add("e:1");
    assert((await failureOf(network)).startsWith("CONNECTION_FAILED "));
    const silent = new PlayedNetwork();
    silent.silent.add("e:1");
    assert((await failureOf(silent, 600)).startsWith("CONNECTION_FAILED "));
  });

  it("is in doubt when its connection breaks, or brings nothing or nonsense", async () => {
    assert((await failureOf(networkWith((far) => far.close()))).startsWith("IN_DOUBT the connection ended"));
    const half = networkWith((far) => {
      far.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{");
      far.close();
    });
    assert((await failureOf(half)).startsWith("IN_DOUBT the connection ended"));
    assertEquals(
      await failureOf(
        networkWith(() => undefined),
        600,
      ),
      "IN_DOUBT no answer in 500 ms",
    );
    const nonsense = networkWith((far) => far.send("hello\r\n\r\n"));
    assertEquals(await failureOf(nonsense), 'IN_DOUBT malformed HTTP response: it begins with "hello"');
  });
});
