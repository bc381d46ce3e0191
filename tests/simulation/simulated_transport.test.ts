/**
 * The simulated transport keeps what every transport promises; and what only it can do: cuts, clogs and lost power.
 *
 * Covers lib/testing/sim_connection.ts, lib/testing/sim_network.ts and lib/testing/sim_transport.ts.
 */

import { after, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { SimWorld } from "../../lib/testing/sim_world.ts";
import { connectPeer, PeerListener, pattern } from "../contract/transport_peer.ts";
import { transportSuite } from "../contract/transport_suite.ts";

describe("simulated network", () => {
  const world = new SimWorld("transport contract");
  const stop = world.pump();
  after(stop);
  transportSuite("simulated", world.host("127.0.0.1").start().transport, { hasKernel: false });
});

describe("simulated network", () => {
  const start = () => {
    const world = new SimWorld("faults");
    const [left, right] = [world.host("left"), world.host("right")];
    return { world, left, right, client: left.start(), server: right.start() };
  };

  it("gives up connecting to a host that cannot be reached, in virtual time", async () => {
    const { world, left, right, client, server } = start();
    await PeerListener.start(server.transport, { host: "right", port: 7 });
    world.network.cut(right, left);
    const peer = connectPeer(client.transport, { host: "right", port: 7 }, 2500);
    await world.drive(world.sleep(2499), 10_000);
    assert(!peer.closed);
    await world.drive(world.sleep(2), 10_000);
    assertEquals([peer.opened, (peer.error as { code?: string }).code], [false, "TIMED_OUT"]);
  });

  it("holds up what crosses a cut, and delivers it after", async () => {
    const { world, left, right, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    world.network.cut(left, right);
    peer.connection.write(pattern(0, 5000));
    await world.drive(world.sleep(5000), 10_000);
    assertEquals(listener.peers[0]?.bytesReceived, 0);
    world.network.mend(left, right);
    await world.drive(world.sleep(1000), 10_000);
    assertEquals([listener.peers[0]?.bytesReceived, peer.closed], [5000, false]);
  });

  it("takes longer where a link is clogged", async () => {
    const { world, left, right, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    world.network.clog(left, right, 300_000);
    peer.connection.write(pattern(0, 10));
    await world.drive(world.sleep(299), 10_000);
    assertEquals(listener.peers[0]?.bytesReceived, 0);
    await world.drive(world.sleep(2), 10_000);
    assertEquals(listener.peers[0]?.bytesReceived, 10);
  });

  it("stalls what packets were lost of, and brings it in the end", async () => {
    const { world, left, right, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    world.network.lose(left, right, 0.9);
    const times: number[] = [];
    for (let sent = 0; sent < 8; sent++) {
      const sentMs = world.nowMs;
      peer.connection.write(pattern(sent * 10, 10));
      while (listener.peers[0]?.bytesReceived !== sent * 10 + 10) await world.drive(world.sleep(5), 1_000_000);
      times.push(world.nowMs - sentMs);
    }
    assert(times.some((ms) => ms > 3000) && times.every((ms) => ms < 26_000), times.join());
    world.network.heal();
    peer.connection.write(pattern(80, 10));
    await world.drive(world.sleep(5), 1_000_000);
    assertEquals(listener.peers[0]?.bytesReceived, 90);
  });

  it("breaks all connections between two hosts, at both ends", async () => {
    const { world, left, right, client, server } = start();
    const other = world.host("other").start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peers = [client, client, other].map(({ transport }) => connectPeer(transport, { host: "right", port: 7 }));
    await world.drive(world.sleep(10), 10_000);
    world.network.resetAll(right, left);
    await world.drive(world.sleep(10), 10_000);
    assertEquals(
      peers.map(({ closed }) => closed),
      [true, true, false],
    );
    assertEquals(listener.peers.filter(({ closed }) => closed).length, 2);
  });

  it("breaks every connection of a flaky link after some bytes, new ones too, until it is well again", async () => {
    const { world, left, right, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const attempt = async () => {
      const peer = connectPeer(client.transport, { host: "right", port: 7 });
      await world.drive(world.sleep(10), 10_000);
      peer.connection.write(pattern(0, 3000));
      await world.drive(world.sleep(10), 10_000);
      return [peer.opened, peer.closed, listener.peers.at(-1)?.closed, listener.peers.at(-1)?.bytesReceived] as const;
    };
    assertEquals(await attempt(), [true, false, false, 3000]);
    world.network.limit(left, right, 2000);
    for (let round = 0; round < 5; round++) {
      const [opened, closed, otherClosed, bytes] = await attempt();
      assertEquals([opened, closed, otherClosed], [true, true, true]);
      assert(bytes !== undefined && bytes <= 2000);
    }
    world.network.limit(left, right, undefined);
    assertEquals(await attempt(), [true, false, false, 3000]);
  });

  it("lets an end break alone: the other reads late what was sent, beside the next connection", async () => {
    const { world, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    peer.connection.write(pattern(0, 100));
    const [connection] = [...world.network.connections].filter(({ process }) => process === client);
    connection?.breakHere(300_000);
    await world.drive(world.sleep(1), 10_000);
    const next = connectPeer(client.transport, { host: "right", port: 7 });
    next.connection.write(pattern(0, 50));
    await world.drive(world.sleep(200), 10_000);
    const [first, second] = listener.peers;
    assertEquals([peer.closed, first?.bytesReceived, first?.closed, second?.bytesReceived], [true, 0, false, 50]);
    await world.drive(world.sleep(200), 10_000);
    assertEquals([first?.bytesReceived, first?.closed], [100, false]);
    first?.connection.write(pattern(0, 10));
    await world.drive(world.sleep(10), 10_000);
    assertEquals([first?.closed, next.closed, next.bytesReceived], [true, false, 0]);
  });

  it("neither connects nor accepts without a descriptor", async () => {
    const { world, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    client.lacksDescriptors = true;
    const refused = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    assertEquals([refused.opened, (refused.error as { code?: string }).code], [false, "CONNECTION_FAILED"]);
    [client.lacksDescriptors, server.lacksDescriptors] = [false, true];
    const closed = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    assertEquals([closed.opened, closed.closed, listener.peers.length], [true, true, 0]);
    server.lacksDescriptors = false;
    const served = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    assertEquals([served.opened, served.closed, listener.peers.length], [true, false, 1]);
  });

  it("ends the connections of a killed process, and tells nobody when the power is gone", async () => {
    for (const power of [false, true]) {
      const { world, right, client, server } = start();
      await PeerListener.start(server.transport, { host: "right", port: 7 });
      const peer = connectPeer(client.transport, { host: "right", port: 7 });
      await world.drive(world.sleep(10), 10_000);
      if (power) right.cutPower();
      else right.kill();
      await world.drive(world.sleep(5000), 20_000);
      assertEquals([peer.ended || peer.closed, peer.closed], [!power, false]);
      // Whoever starts there again does not know the connection.
      right.start();
      peer.connection.write(pattern(0, 10));
      await world.drive(world.sleep(1000), 20_000);
      assertEquals([peer.closed, (peer.error as { code?: string }).code], [true, "CONNECTION_FAILED"]);
    }
  });

  it("lets a dead process do nothing and hear nothing", async () => {
    const { world, right, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    let fired = false;
    server.clock.setTimer(() => {
      fired = true;
    }, 100);
    right.kill();
    peer.connection.write(pattern(0, 10));
    listener.peers[0]?.connection.write(pattern(0, 10));
    await world.drive(world.sleep(1000), 10_000);
    assertEquals(
      [fired, listener.peers[0]?.bytesReceived, listener.peers[0]?.closed, peer.bytesReceived],
      [false, 0, false, 0],
    );
  });

  it("holds everything back from a paused process", async () => {
    const { world, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    const calls: string[] = [];
    server.pause();
    server.clock.setTimer(() => calls.push("timer"), 50);
    peer.connection.write(pattern(0, 10));
    await world.drive(world.sleep(500), 10_000);
    assertEquals([listener.peers[0]?.bytesReceived, calls], [0, []]);
    server.resume();
    await world.drive(world.sleep(1), 10_000);
    assertEquals([listener.peers[0]?.bytesReceived, calls], [10, ["timer"]]);
  });

  it("finds out who writes before the connection has drained", async () => {
    const { world, client, server } = start();
    const listener = await PeerListener.start(server.transport, { host: "right", port: 7 });
    const peer = connectPeer(client.transport, { host: "right", port: 7 });
    await world.drive(world.sleep(10), 10_000);
    listener.peers[0]?.connection.pause();
    while (peer.connection.write(pattern(0, 100_000)));
    assertEquals(world.failure, undefined);
    peer.connection.write(pattern(0, 1));
    assert(world.failure?.message.includes("written to before it had drained") === true);
  });
});
