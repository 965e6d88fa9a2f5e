import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";
import { expect, onTestFinished, test } from "vitest";
import type { DialOptions } from "#agent/link/parent-connection.ts";
import { ParentSocket } from "#agent/link/parent-socket.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

/** The other end, played by the test. */
interface Parent {
  readonly socket: Socket;
  /** The next packet of the child. */
  next(): Promise<Packet>;
  write(packet: Packet): void;
}

interface Scene {
  readonly parent: Parent;
  readonly child: ParentSocket;
  readonly clock: FakeClock;
  readonly heard: string[];
  /** Resolves with the reason when the child is told that the connection has closed. */
  readonly closed: Promise<string>;
}

const connack: Packet = { cmd: "connack", returnCode: 0, sessionPresent: false };

async function stage(more: Partial<DialOptions> = {}): Promise<Scene> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const arriving = once(server, "connection") as Promise<[Socket]>;
  const address = server.address();
  const socket = connect({ host: "127.0.0.1", port: typeof address === "object" ? (address?.port ?? 0) : 0 });
  const [[accepted]] = await Promise.all([arriving, once(socket, "connect")]);
  onTestFinished(() => {
    accepted.destroy();
    socket.destroy();
    server.close();
  });
  const heard: string[] = [];
  const closed = Promise.withResolvers<string>();
  const clock = new FakeClock();
  const child = new ParentSocket(clock, socket, {
    clientId: "device-1",
    username: "uuid-1",
    subscribe: undefined,
    will: undefined,
    onMessage: (topic, payload) => void heard.push(`${topic} ${Buffer.from(payload).toString()}`),
    onClosed: closed.resolve,
    ...more,
  });
  return { parent: parentOn(accepted), child, clock, heard, closed: closed.promise };
}

function parentOn(socket: Socket): Parent {
  const packets: Packet[] = [];
  let arrived = Promise.withResolvers<void>();
  const reading = parser({ protocolVersion: 4 });
  reading.on("packet", (packet) => {
    packets.push(packet);
    arrived.resolve();
  });
  socket.on("data", (bytes) => void reading.parse(bytes)).on("error", () => undefined);
  return {
    socket,
    async next() {
      for (;;) {
        const packet = packets.shift();
        if (packet !== undefined) return packet;
        arrived = Promise.withResolvers();
        await arrived.promise;
      }
    },
    write: (packet) => void socket.write(generate(packet)),
  };
}

async function opened(more: Partial<DialOptions> = {}): Promise<Scene> {
  const scene = await stage(more);
  const opening = scene.child.open(undefined, new AbortController().signal);
  await scene.parent.next();
  scene.parent.write(connack);
  await opening;
  return scene;
}

test("it says who it is and what is to be said when it is gone, subscribes, and hears", async () => {
  const will = { topic: "state", payload: Buffer.from("gone") };
  const { child, parent, heard } = await stage({ subscribe: "down/#", will });
  const opening = child.open("secret", new AbortController().signal);
  expect(await parent.next()).toMatchObject({ clientId: "device-1", username: "uuid-1", keepalive: 10, will });
  parent.write(connack);
  const { messageId = 0 } = await parent.next();
  // A message may come with the acknowledgement, in one segment.
  const suback = generate({ cmd: "suback", messageId, granted: [0] });
  const publish = generate({ cmd: "publish", topic: "down/a", payload: "1", qos: 0, retain: false, dup: false });
  parent.socket.write(Buffer.concat([suback, publish]));
  await opening;
  expect(heard).toEqual(["down/a 1"]);
});

test("what is sent arrives as it was, in order", async () => {
  const { child, parent } = await opened();
  const large = new Uint8Array(200_000).fill(7);
  child.send("up/a", Buffer.from("one"));
  child.send("up/b", large);
  expect(await parent.next()).toMatchObject({ topic: "up/a", qos: 0, payload: Buffer.from("one") });
  expect(await parent.next()).toMatchObject({ topic: "up/b", payload: Buffer.from(large) });
});

test("disposing says goodbye behind what was sent; dropping does not", async () => {
  const gentle = await opened();
  gentle.child.send("up", Buffer.from("last"));
  const ended = once(gentle.parent.socket, "end");
  const disposed = gentle.child[Symbol.asyncDispose]();
  expect(await gentle.parent.next()).toMatchObject({ cmd: "publish" });
  expect(await gentle.parent.next()).toMatchObject({ cmd: "disconnect" });
  await ended;
  await disposed;

  const rough = await opened();
  const bytes: Buffer[] = [];
  rough.parent.socket.on("data", (chunk: Buffer) => void bytes.push(chunk));
  const closed = once(rough.parent.socket, "close");
  rough.child.drop();
  await closed;
  expect(bytes).toEqual([]);
});

test("a parent that does not read holds a disposal for a moment only", async () => {
  const { child, parent, clock } = await opened();
  parent.socket.pause();
  child.send("up", new Uint8Array(8 * 1024 * 1024));
  const disposed = child[Symbol.asyncDispose]();
  await clock.advance(500);
  await disposed;
  await expect.poll(() => clock.sleepers).toBe(0); // the pings have ended with it
});

test("nothing is asked of a silent connection for longer than the keep-alive, nor is a silent parent waited for", async () => {
  const { parent, clock, closed } = await opened();
  await clock.advance(5_000);
  expect(await parent.next()).toMatchObject({ cmd: "pingreq" });
  await clock.advance(10_000);
  expect(await closed).toBe("the parent is silent");
});

test("answers to pings keep the connection", async () => {
  const { parent, clock, heard } = await opened();
  for (let round = 0; round < 6; round++) {
    await clock.advance(5_000);
    expect(await parent.next()).toMatchObject({ cmd: "pingreq" });
    parent.write({ cmd: "pingresp" });
    parent.write({ cmd: "publish", topic: "t", payload: String(round), qos: 0, retain: false, dup: false });
    await expect.poll(() => heard.length).toBe(round + 1);
  }
});

test("the end of the connection is told once, with its reason", async () => {
  const { parent, closed, clock } = await opened();
  parent.socket.end();
  expect(await closed).toBe("the parent closed the connection");
  expect(clock.sleepers).toBe(0);
});

test.each<[string, Packet | Uint8Array, RegExp]>([
  ["a packet that no client gets", Uint8Array.of(0x82, 0), /a packet of type 8/],
  [
    "a message above QoS 0",
    { cmd: "publish", topic: "t", payload: "", qos: 1, retain: false, dup: false, messageId: 1 },
    /above the QoS/,
  ],
  ["a length that never ends", Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff), /more than four bytes/],
])("%s ends it", async (_, packet, reason) => {
  const { parent, closed } = await opened();
  parent.socket.write(packet instanceof Uint8Array ? packet : generate(packet));
  expect(await closed).toMatch(reason);
});

test.each<[string, Packet]>([
  ["anything else than CONNACK first", { cmd: "pingresp" }],
  ["a refusal", { cmd: "connack", returnCode: 5, sessionPresent: false }],
])("%s rejects the opening, and nobody is told of a close", async (_, packet) => {
  const told: string[] = [];
  const { child, parent } = await stage({ onClosed: (reason) => void told.push(reason) });
  const opening = child.open(undefined, new AbortController().signal);
  const rejected = expect(opening).rejects.toThrow(/CONNACK|refused/);
  await parent.next();
  const closed = once(parent.socket, "close");
  parent.write(packet);
  await rejected;
  await closed;
  expect(told).toEqual([]);
});

test("a subscription that is not granted rejects the opening", async () => {
  const { child, parent } = await stage({ subscribe: "down/#" });
  const opening = child.open(undefined, new AbortController().signal);
  const rejected = expect(opening).rejects.toThrow(/does not let this node subscribe/);
  await parent.next();
  parent.write(connack);
  const { messageId = 0 } = await parent.next();
  parent.write({ cmd: "suback", messageId, granted: [0x80] });
  await rejected;
});

test("an opening that is given up ends at once, as does one of a parent that leaves", async () => {
  const given = new AbortController();
  const first = await stage();
  const opening = first.child.open(undefined, given.signal);
  const rejected = expect(opening).rejects.toThrow("no more");
  given.abort(new Error("no more"));
  await rejected;

  const second = await stage();
  const leaving = expect(second.child.open(undefined, new AbortController().signal)).rejects.toThrow(/closed/);
  second.parent.socket.end();
  await leaving;
});
