import { once } from "node:events";
import { expect, test } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { limits } from "#shared/limits.ts";
import { authority, dial, listenOn, readToEnd, serverCredentials } from "./listen-bench.ts";

const open = (url: string, options: ClientOptions = {}, subprotocols = ["mqtt"]): WebSocket =>
  new WebSocket(url, subprotocols, { ca: authority.cert, ...options }).on("error", () => {});

test.each(["ws", "wss"] as const)("binary frames travel both ways over %s", async (transport) => {
  await using bench = await listenOn([transport], { tls: serverCredentials() });
  const client = open(`${transport}://127.0.0.1:${bench.port}/mqtt`, {}, ["other", "mqtt"]);
  const { stream, origin } = await bench.accepted();
  expect(origin).toEqual({ transport, isLocal: true, remoteAddress: "127.0.0.1" });
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  expect(client.protocol).toBe("mqtt"); // [MQTT-6.0.0-4]
  expect(client.extensions).toBe("");
  client.send(Buffer.from("up"));
  expect(String((await once(stream, "data"))[0])).toBe("up");
  stream.write("down");
  expect(await once(client, "message")).toEqual([Buffer.from("down"), true]);
  stream.end();
  await once(client, "close");
});

test("a client certificate is known behind wss", async () => {
  await using bench = await listenOn(["wss"], { tls: serverCredentials({ ca: authority.cert }) });
  open(`wss://127.0.0.1:${bench.port}/mqtt`, authority.issue("panel-1"));
  expect((await bench.accepted()).origin.certificateName).toBe("panel-1");
});

test("[MQTT-6.0.0-1] a text frame closes the connection, and none of it is taken for MQTT", async () => {
  await using bench = await listenOn(["ws"]);
  const client = open(`ws://127.0.0.1:${bench.port}/mqtt`);
  const { stream } = await bench.accepted();
  const taken: Buffer[] = [];
  stream.on("data", (bytes: Buffer) => taken.push(bytes));
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  client.send(Buffer.from("binary"));
  client.send("text");
  await once(client, "close");
  expect(Buffer.concat(taken).toString()).toBe("binary");
  expect(stream.destroyed).toBe(true);
});

test("a frame beyond the largest packet closes the connection", async () => {
  await using bench = await listenOn(["ws"]);
  const client = open(`ws://127.0.0.1:${bench.port}/mqtt`);
  const { stream } = await bench.accepted();
  stream.resume();
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  client.send(Buffer.alloc(limits.packetBytes + 9));
  const [code] = (await once(client, "close")) as [number];
  expect(code).toBe(1009);
});

test.each([
  ["/other", ["mqtt"], 404],
  ["/mqtt", ["graphql"], 400], // [MQTT-6.0.0-3]
  ["/mqtt", [], 400],
])("%s with the subprotocols %j is answered with %i", async (path, subprotocols, status) => {
  await using bench = await listenOn(["ws"]);
  const client = open(`ws://127.0.0.1:${bench.port}${path}`, {}, subprotocols);
  const [error] = (await once(client, "error")) as [Error];
  expect(error.message).toBe(`Unexpected server response: ${status}`);
  expect(bench.waiting).toEqual([]);
});

test("an ordinary request is told what this is", async () => {
  await using bench = await listenOn(["ws"]);
  const socket = await dial(bench.port);
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 426 [^]*subprotocol mqtt/);
});

test.each([
  ["http://127.0.0.1:8080", true],
  ["http://[::1]", true],
  ["https://evil.example", false],
  ["http://127.0.0.1.evil.example", false],
  ["null", false],
])("a page of %s in a browser here is local: %s", async (origin, isLocal) => {
  await using bench = await listenOn(["ws"]);
  open(`ws://127.0.0.1:${bench.port}/mqtt`, { origin });
  expect((await bench.accepted()).origin.isLocal).toBe(isLocal);
});
