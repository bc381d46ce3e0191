/**
 * HTTP of both daemons over real sockets: their health from the start to the end, and who gets an answer.
 *
 * Covers lib/net/http/http_service.ts.
 */

import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { base64 } from "../../lib/base/base64.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { FlareError, type StartIndexServerOptions, type StartNodeServerOptions } from "../../mod.ts";
import { writeUsers } from "../support/access_world.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { startOpenIndex, startOpenNode } from "../support/open_servers.ts";
import { type Conversation, type RawResponse, responsesIn, talk } from "../support/raw_http.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";
import { testServerTls, testTlsClient } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const runtime = clientRuntime();
const NAMES = { runtime, bind: HOST, serverName: HOST, serverPort: 0 };

async function ask(port: number, path: string, lines: readonly string[] = [], how: Conversation = {}): Promise<RawResponse> {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${HOST}:${port}`, "Connection: close", ...lines];
  const [response] = responsesIn(await talk(runtime, { host: HOST, port }, `${head.join("\r\n")}\r\n\r\n`, how));
  return response as RawResponse;
}

/** The status and the body of a response, without its line end. */
async function textOf(port: number, path: string, lines?: readonly string[]): Promise<[number, string]> {
  const { status, body } = await ask(port, path, lines);
  return [status, body.trimEnd()];
}

/** An index server and a node with HTTP. */
async function withServers(
  work: (world: {
    readonly indexPort: number;
    readonly nodePort: number;
    readonly node: Awaited<ReturnType<typeof startOpenNode>>;
  }) => Promise<void>,
  options: StartIndexServerOptions & StartNodeServerOptions = {},
): Promise<void> {
  const indexPort = await freePorts(2);
  const nodePort = indexPort + 1;
  await using index = await startOpenIndex({ ...NAMES, indexDb: "memory://", ...options, httpPort: indexPort });
  const indexServers = [index.address];
  await using node = await startOpenNode({ ...NAMES, indexServers, storageType: "memory", ...options, httpPort: nodePort });
  await work({ indexPort, nodePort, node });
}

describe("the health of a daemon", () => {
  it("is that of its role, from the start to the end", () =>
    withServers(async ({ indexPort, nodePort, node }) => {
      assertEquals(await textOf(indexPort, "/livez"), [200, "ok: it answers"]);
      assertEquals(await textOf(indexPort, "/readyz"), [200, "ok: it leads with term 1, 1 nodes in use"]);
      assertEquals(await textOf(nodePort, "/livez"), [200, "ok: it answers"]);
      assertEquals(await textOf(nodePort, "/readyz"), [503, "not ready: it is a proxy, and no partition is active yet"]);
      const index = await TextClient.connect(runtime, node.options.indexServers[0] as { host: string; port: number });
      const { host, port } = node.address;
      assertEquals(await index.ask(`node role ${host} ${port} master 1 0\r\n`), "OK\r\n");
      await waitUntil(async () => (await ask(nodePort, "/readyz")).body.includes("master of partition 0"), "the role");
      assertEquals(await index.ask(`node state ${host} ${port} active\r\n`), "OK\r\n");
      await waitUntil(async () => (await ask(nodePort, "/readyz")).status === 200, "the state");
      assertEquals(await textOf(nodePort, "/readyz"), [200, "ok: active master of partition 0"]);
      index.close();
      // A connection that is kept gets an answer while the node leaves.
      const client = await TextClient.connect(runtime, { host: HOST, port: nodePort });
      const stopping = node.stop();
      await client.send(`GET /readyz HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
      assertStringIncludes(await client.until((text) => text.includes("stopping")), "503");
      await stopping;
      await client.until(() => client.closed);
      assert(client.closed);
    }));

  it("can be asked for before the node has joined", async () => {
    // An index server that accepts connections and says nothing, until a real one takes its place.
    const httpPort = await freePorts(2);
    const port = httpPort + 1;
    const held = new Set<Socket>();
    const silent = createServer((socket) => {
      held.add(socket);
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(port, HOST, resolve));
    const starting = startOpenNode({ ...NAMES, indexServers: [{ host: HOST, port }], storageType: "memory", httpPort });
    const isJoining = async (): Promise<boolean> =>
      (await talk(runtime, { host: HOST, port: httpPort }, "GET /readyz HTTP/1.0\r\n\r\n")).endsWith(
        "it is joining its cluster\n",
      );
    await waitUntil(isJoining, "the node's health");
    assertEquals(await textOf(httpPort, "/livez"), [200, "ok: it answers"]);
    const closed = new Promise((resolve) => silent.close(resolve));
    for (const socket of held) socket.destroy();
    await closed;
    await using index = await startOpenIndex({ ...NAMES, indexDb: "memory://", serverPort: port });
    await using node = await starting;
    assertEquals(index.nodeMap.nodes[0]?.key, node.key);
  });
});

describe("HTTP of a daemon", () => {
  it("is off unless a port is given", async () => {
    await using index = await startOpenIndex({ ...NAMES, indexDb: "memory://" });
    assertEquals(index.server.listeners.length, 1);
  });

  it("says which port is taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, HOST, resolve));
    const { port: httpPort } = taken.address() as { port: number };
    const error = await assertRejects(() => startOpenIndex({ ...NAMES, indexDb: "memory://", httpPort }), FlareError);
    assertEquals(error.code, "ADDRESS_IN_USE");
    assertStringIncludes(error.message, `${HOST}:${httpPort}`);
    taken.close();
  });

  it("is refused where the runtime has none", async () => {
    const { http: _, ...without } = runtime;
    const options = { ...NAMES, runtime: without, indexDb: "memory://", httpPort: 8080 };
    const error = await assertRejects(() => startOpenIndex(options), FlareError);
    assertEquals(
      [error.code, error.message],
      ["UNSUPPORTED", 'option "http-port": "8080" needs a runtime with HTTP, which this one is not'],
    );
  });

  it("answers for this server alone, by names that a reload can change", () =>
    withServers(async ({ nodePort, node }) => {
      const foreign = async (host: string): Promise<number> => {
        const [response] = responsesIn(
          await talk(
            runtime,
            { host: HOST, port: nodePort },
            `GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
          ),
        );
        return response?.status ?? 0;
      };
      assertEquals(await foreign("rebound.example"), 421);
      assertEquals(await foreign("localhost"), 200);
      assertEquals((await textOf(nodePort, "/livez", ["Origin: http://rebound.example"]))[0], 403);
      await node.reload({ httpHosts: "rebound.example" });
      assertEquals(await foreign("rebound.example"), 200);
    }));

  it("asks for the users' names and passwords", () =>
    withTemporaryDirectory((directory) =>
      withServers(
        async ({ indexPort, nodePort }) => {
          for (const port of [indexPort, nodePort]) {
            const { status, headers } = await ask(port, "/livez");
            assertEquals([status, headers.get("www-authenticate")], [401, 'Basic realm="Flare", charset="UTF-8"']);
            const login = (text: string): string[] => [`Authorization: Basic ${base64(fromLatin1(text))}`];
            assertEquals((await textOf(port, "/livez", login("alice:wrong")))[0], 401);
            assertEquals(await textOf(port, "/livez", login("alice:secret")), [200, "ok: it answers"]);
          }
        },
        { authFile: writeUsers(directory), clusterUser: "node" },
      ),
    ));

  it("is TLS, with client certificates, where the daemon has that", () =>
    withServers(
      async ({ nodePort }) => {
        const response = await ask(nodePort, "/livez", [], { tls: testTlsClient("operator") });
        assertEquals([response.status, response.body], [200, "ok: it answers\n"]);
        assertEquals(
          await talk(runtime, { host: HOST, port: nodePort }, "GET / HTTP/1.0\r\n\r\n", { tls: testTlsClient() }),
          "",
        );
        assert(!(await talk(runtime, { host: HOST, port: nodePort }, "GET / HTTP/1.0\r\n\r\n")).startsWith("HTTP"));
      },
      { tls: { ...testServerTls("node"), clientCert: "required" } },
    ));

  it("counts in the limit of connections", () =>
    withServers(
      async ({ nodePort, node }) => {
        // The index server's and this test's.
        const clients = [await TextClient.connect(runtime, { host: HOST, port: nodePort })];
        for (let i = 0; i < 20 && !clients.at(-1)?.closed; i++) {
          const client = await TextClient.connect(runtime, { host: HOST, port: nodePort });
          clients.push(client);
          await client.until(() => client.closed, 50);
        }
        assertStringIncludes(clients.at(-1)?.received ?? "", "HTTP/1.1 503 Service Unavailable\r\n");
        assertEquals(clients.filter(({ closed }) => closed).length, 1);
        const late = await TextClient.connect(runtime, node.address);
        assertEquals(await late.until(() => late.closed), "ERROR Too many open connections\r\n");
        for (const client of clients) client.close();
        await waitUntil(
          () =>
            ask(nodePort, "/livez").then(
              ({ status }) => status === 200,
              () => false,
            ),
          "room",
        );
      },
      { maxConnection: 8 },
    ));
});
