import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { closed, dial, listenOn, readToEnd, serverCredentials } from "./listen-bench.ts";
import { limits } from "#shared/limits.ts";

test("a TCP connection is handed on at once, with where it came in", async () => {
  await using bench = await listenOn(["tcp"]);
  const socket = await dial(bench.port);
  const { stream, origin } = await bench.accepted();
  expect(origin).toEqual({ transport: "tcp", isLocal: true, remoteAddress: "127.0.0.1" });
  socket.write("up");
  expect(String((await once(stream, "data"))[0])).toBe("up");
  stream.write("down");
  expect(String((await once(socket, "data"))[0])).toBe("down");
  expect(bench.listeners.connections).toBe(1);
});

test("a listener that other machines reach is not local, even for a client on this machine", async () => {
  await using bench = await listenOn([{ transport: "tcp", host: "::", port: 0 }]);
  await dial(bench.port);
  expect((await bench.accepted()).origin).toEqual({ transport: "tcp", isLocal: false, remoteAddress: "127.0.0.1" });
});

test("beyond the bound connections are closed, over all listeners together", async () => {
  await using bench = await listenOn(["tcp", "tcp"], { connectionsMax: 1 });
  const first = await dial(bench.port);
  await bench.accepted();
  const second = await dial(bench.listeners.addresses[1]?.port ?? 0);
  expect(await readToEnd(second)).toBe("");
  expect(bench.waiting).toEqual([]);
  expect(first.closed).toBe(false);
});

test("a port that is taken is named, and none of the other addresses stays open", async () => {
  await using taken = await listenOn(["tcp"]);
  await using free = await listenOn(["tcp"]);
  const { port } = free;
  await free[Symbol.asyncDispose]();
  const specs = [port, taken.port].map((number) => ({ transport: "tcp" as const, host: "127.0.0.1", port: number }));
  await expect(listenOn(specs)).rejects.toMatchObject({
    code: "FOGBANK_LISTEN_FAILED",
    message: `cannot listen on 127.0.0.1:${taken.port} (EADDRINUSE): another program listens there: stop it or choose another port`,
  });
  const refused = connect(port, "127.0.0.1");
  const [error] = (await once(refused, "error")) as [Error];
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});

test("a stop sends what was written, and does not wait for a peer that does not read", async () => {
  const bench = await listenOn(["tcp", "tcp"]);
  const reader = await dial(bench.port);
  (await bench.accepted()).stream.write("last words");
  const stuck = await dial(bench.listeners.addresses[1]?.port ?? 0);
  stuck.pause();
  (await bench.accepted()).stream.write(Buffer.alloc(64 * 1024 * 1024));
  const stopped = bench.listeners[Symbol.asyncDispose]();
  expect(await readToEnd(reader)).toBe("last words");
  await bench.clock.advance(500);
  await stopped;
  expect(bench.listeners.connections).toBe(0);
});

test.each(["tls", "ws", "wss"] as const)(
  "a peer that never finishes the %s handshake is closed in time",
  async (transport) => {
    await using bench = await listenOn([transport], { tls: serverCredentials() });
    const slow = await dial(bench.port);
    slow.write(transport === "ws" ? "GET /mqtt HTTP/1.1\r\nHost: a\r\nX" : Buffer.of(0x16, 0x03, 0x01));
    while (bench.listeners.connections === 0) await new Promise((resolve) => setImmediate(resolve));
    const ended = closed(slow);
    await bench.clock.advance(limits.connectPacketMs - 1);
    expect(bench.listeners.connections).toBe(1);
    await bench.clock.advance(1);
    await ended;
    expect(bench.waiting).toEqual([]);
    expect(bench.clock.sleepers).toBe(0);
  },
);

test.each(["tls", "ws"] as const)("garbage on a %s listener ends that connection only", async (transport) => {
  await using bench = await listenOn([transport, "tcp"], { tls: serverCredentials() });
  const other = await dial(bench.listeners.addresses[1]?.port ?? 0);
  await bench.accepted();
  const garbage = await dial(bench.port);
  garbage.write(Buffer.alloc(1000, 0xff));
  await readToEnd(garbage);
  expect(bench.listeners.connections).toBe(1);
  expect(other.closed).toBe(false);
});

test("a stop closes those in their handshake", async () => {
  const bench = await listenOn(["tls"], { tls: serverCredentials() });
  const slow = await dial(bench.port);
  while (bench.listeners.connections === 0) await new Promise((resolve) => setImmediate(resolve));
  await bench.listeners[Symbol.asyncDispose]();
  expect(await readToEnd(slow)).toBe("");
  expect(bench.clock.sleepers).toBe(0);
});
