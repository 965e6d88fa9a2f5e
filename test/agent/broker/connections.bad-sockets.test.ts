// Sockets that behave badly, real ones on loopback; time moves by hand.
import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { CoreBench } from "../../fakes/core-bench.ts";
import { rawPacket } from "../../fakes/raw-client.ts";

/** CONNECT of MQTT 3.1.1: a clean session that keeps no time. */
function connect(clientId: string, { keepAlive = 0, level = 4 } = {}): Uint8Array {
  const properties = level === 5 ? [0] : [];
  return rawPacket(0x10, "MQTT", level, 2, 0, keepAlive, ...properties, clientId);
}

const pingreq = Uint8Array.of(0xc0, 0);
const connack = Buffer.from([0x20, 2, 0, 0]);

/** Subscribed to `topic` at QoS 1, and deaf from then on. */
async function deafSubscriber(bench: CoreBench, topic: string, qos: number): Promise<Socket> {
  const socket = await bench.socket();
  socket.write(Buffer.concat([connect("deaf"), rawPacket(0x82, 0, 1, topic, qos)]));
  for (let bytes = 0; bytes < 9; bytes += ((await once(socket, "data")) as [Buffer])[0].length);
  socket.pause();
  return socket;
}

/** Resolves when the broker tells that the client is gone. */
function gone(bench: CoreBench, clientId: string): Promise<void> {
  return new Promise((resolve) => {
    bench.broker.onClient((event) => void (event.type === "disconnected" && event.clientId === clientId && resolve()));
  });
}

/** Lets both ends of the loopback do what they have to. */
async function turns(count = 20): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve));
}

test("a connection that says nothing is closed when its time for CONNECT is over", async () => {
  await using bench = await CoreBench.start();
  const silent = await bench.socket();
  const closed = once(silent, "close");
  silent.resume().on("end", () => silent.end());
  await bench.client("other"); // by then the first has been accepted, too
  await bench.clock.advance(limits.connectPacketMs - 1_000);
  expect(silent.closed).toBe(false);
  await bench.clock.advance(1_500);
  await closed;
  await bench.proveAlive();
});

test("one byte now and then does not stretch the time for CONNECT", async () => {
  await using bench = await CoreBench.start();
  const slow = await bench.socket();
  const closed = once(slow, "close");
  slow.resume().on("end", () => slow.end());
  const bytes = connect("slow");
  for (let at = 0; at < 4; at++) {
    slow.write(bytes.subarray(at, at + 1));
    await bench.proveAlive(); // a round trip: the byte has been read
    await bench.clock.advance(limits.connectPacketMs / 4 + 100);
  }
  await bench.clock.advance(1_000);
  await closed;
  expect(bench.broker.stats().connections).toBe(0);
});

test("a client that sends one byte at a time is served like any other", async () => {
  await using bench = await CoreBench.start();
  const socket = await bench.socket();
  const arrived: Buffer[] = [];
  const enough = Promise.withResolvers<void>();
  const expected = Buffer.concat([connack, Buffer.from([0x90, 3, 0, 1, 1]), Buffer.from([0xd0, 0])]);
  socket.on("data", (bytes: Buffer) => {
    arrived.push(bytes);
    if (Buffer.concat(arrived).length >= expected.length) enough.resolve();
  });
  for (const byte of Buffer.concat([connect("bytes"), rawPacket(0x82, 0, 1, "a", 1), pingreq])) {
    socket.write(Uint8Array.of(byte));
    await turns(1);
  }
  await enough.promise;
  expect(Buffer.concat(arrived)).toEqual(expected);
});

test("a client that closes its half gets the other half closed, and its will is published", async () => {
  await using bench = await CoreBench.start();
  const watcher = await bench.client("watcher");
  await watcher.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "will", qos: 1 }] });
  await watcher.answer("suback");
  const half = await bench.socket();
  half.write(rawPacket(0x10, "MQTT", 4, 0x06, 0, 0, "half", "will", "bye"));
  await once(half, "data");
  const closed = once(half, "close");
  half.resume().end();
  await closed;
  expect(String((await watcher.answer("publish")).payload)).toBe("bye");
  await bench.proveAlive();
});

test("a reset in the middle of a packet ends that connection only", async () => {
  await using bench = await CoreBench.start();
  const socket = await bench.socket();
  socket.write(connect("reset"));
  await once(socket, "data");
  const left = gone(bench, "reset");
  socket.write(Uint8Array.of(0x32, 0xff, 0x7f, 0, 1, 0x61));
  await turns();
  socket.resetAndDestroy();
  await left;
  expect(bench.broker.clients()).toEqual([]);
  await bench.proveAlive();
});

test("who never reads is closed when nothing has left for long, also if it goes on asking [B2]", async () => {
  await using bench = await CoreBench.start();
  const deaf = await deafSubscriber(bench, "a", 1);
  const left = gone(bench, "deaf");
  const payload = new Uint8Array(limits.packetBytes - 100);
  for (let at = 0; at < 20; at++) {
    await bench.broker.publish({ topic: "a", payload, qos: 1, retain: false });
    await turns(2);
  }
  for (let ms = 0; ms < limits.stalledMs + 2_000; ms += 1_000) {
    deaf.write(pingreq); // its answer is one more thing that waits
    await turns(3);
    await bench.clock.advance(1_000);
  }
  await left;
  expect(bench.broker.stats()).toMatchObject({ slowClosed: 1, queuedBytes: 0, connections: 0 });
  await bench.proveAlive();
});

/** Asks until the system takes no more: the broker has stopped to read. Answers how many bytes were asked with. */
async function flood(deaf: Socket): Promise<number> {
  const chunk = Buffer.alloc(1024 * 1024, pingreq);
  let sent = 0;
  for (let waits = 0; waits < 200 && sent < 60 * chunk.length; waits++) {
    await turns(10);
    if (deaf.writableLength > 0) continue;
    waits = 0;
    deaf.write(chunk);
    sent += chunk.length;
  }
  expect(sent).toBeLessThan(60 * chunk.length);
  return sent;
}

test("who asks without end and never reads is not read from, and gets every answer once it reads [B2]", async () => {
  await using bench = await CoreBench.start();
  const deaf = await bench.socket();
  deaf.write(connect("asking"));
  await once(deaf, "data");
  deaf.pause();
  const asked = await flood(deaf);
  await bench.proveAlive();
  let answered = 0;
  const all = Promise.withResolvers<void>();
  deaf.on("data", (bytes: Buffer) => {
    answered += bytes.length;
    if (answered >= asked) all.resolve();
  });
  deaf.resume();
  await all.promise;
  expect(answered).toBe(asked);
});

test("who asks without end and never reads is closed in the end, with a keep alive too [B2]", async () => {
  await using bench = await CoreBench.start();
  const deaf = await bench.socket();
  deaf.write(connect("asking", { keepAlive: 10 }));
  await once(deaf, "data");
  deaf.pause();
  const left = gone(bench, "asking");
  await flood(deaf);
  await bench.clock.advance(limits.stalledMs + 1_000);
  await left;
  expect(bench.broker.stats().slowClosed).toBe(1);
});

test("a connection that was told to go and stays is cut off [B2]", async () => {
  await using bench = await CoreBench.start();
  const refused = await bench.socket();
  const broken = await bench.socket();
  const taken = await bench.socket();
  refused.write(connect("x", { level: 6 })); // a level that does not exist: CONNACK says so
  broken.write(Buffer.concat([connect("broken", { level: 5 }), Uint8Array.of(0, 0)]));
  taken.write(connect("taken", { level: 5 }));
  const closed = [refused, broken, taken].map(async (socket) => {
    await once(socket, "end");
    expect(socket.writable).toBe(true); // this end stays open
    await once(socket, "close").catch(() => {});
  });
  for (const socket of [refused, broken, taken]) socket.resume();
  await once(taken, "data");
  await bench.client("taken");
  await turns();
  const tries = setInterval(() => {
    for (const socket of [refused, broken, taken]) socket.write(pingreq);
  }, 5); // only writing shows this end that the other is gone
  await bench.clock.advance(limits.connectPacketMs + 1_000);
  await Promise.all(closed);
  clearInterval(tries);
  await bench.proveAlive();
});

test("2 000 connections that vanish at once leave nothing behind, and the rest lives", async () => {
  await using bench = await CoreBench.start();
  const stayer = await bench.client("stayer");
  const sockets: Socket[] = [];
  for (let at = 0; at < 2_000; at += 100) {
    await bench.clock.advance(1_000); // not faster than they are let in
    const some = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const socket = await bench.socket();
        socket.write(Buffer.concat([connect(`many-${at + index}`), rawPacket(0x82, 0, 1, `many/${at + index}`, 1)]));
        await once(socket, "data");
        return socket;
      }),
    );
    sockets.push(...some);
  }
  expect(bench.broker.stats().connections).toBe(2_001);
  let left = 2_000;
  const allGone = Promise.withResolvers<void>();
  bench.broker.onClient(({ type }) => void (type === "disconnected" && --left === 0 && allGone.resolve()));
  for (const socket of sockets) socket.resetAndDestroy();
  await allGone.promise;
  await stayer.ping();
  expect(bench.broker.stats()).toMatchObject({ connections: 1, queuedMessages: 0, queuedBytes: 0 });
  expect(bench.broker.hasSubscriberBelow("many")).toBe(false);
  await bench.proveAlive();
});
