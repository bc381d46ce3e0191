/**
 * The simulated transport keeps what every transport promises; and what only it can do: cuts, clogs and lost power.
 */

import { after, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { connectPeer, PeerListener, pattern } from "../contract/transport_peer.ts";
import { transportSuite } from "../contract/transport_suite.ts";
import { SimWorld } from "./sim_world.ts";

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
