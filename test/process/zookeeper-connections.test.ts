// Connections of the ZooKeeper client: TLS with and without a certificate, streams cut at every byte, servers that speak nonsense, and
// servers that are not there.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { seeded } from "../../scripts/torture/seeded.ts";
import { startFaultProxy } from "../../scripts/torture/fault-proxy.ts";
import type { ZooKeeperServer } from "../../scripts/services/zookeeper.ts";
import { createTestAuthority } from "../fakes/certificates.ts";
import { client, standaloneFor, zooKeeperHere } from "../fakes/real-zookeeper.ts";

const here = await zooKeeperHere();
const real = test.skipIf(here.missing !== undefined);
const stack = new AsyncDisposableStack();
const authority = createTestAuthority();
const own = authority.issue("a client");
let server: ZooKeeperServer | undefined;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-zookeeper-tls-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { cert, key } = authority.issue("a server");
  const [keyStore, trustStore] = [join(folder, "key.pem"), join(folder, "trust.pem")];
  writeFileSync(keyStore, `${key}${cert}`);
  writeFileSync(trustStore, authority.cert);
  server = await standaloneFor(here, stack, { keyStore, trustStore, clientAuth: "need" });
});
afterAll(async () => stack.disposeAsync());

const listOfPort = (port: number | undefined): string => `127.0.0.1:${port ?? 0}`;

real("a client with a certificate that the server believes works over TLS", async () => {
  const tls = { ca: authority.cert, cert: own.cert, key: own.key };
  const { zk } = client(listOfPort(server?.securePort), { tls });
  onTestFinished(async () => zk.close());
  expect((await zk.create("/tls-", { sequential: true, lifetime: "ephemeral" })).path).toMatch(/^\/tls-/);
  expect((await zk.whoAmI()).map(({ scheme }) => scheme)).toContain("x509");
});

real.each([
  ["without a certificate", { ca: authority.cert }, /alert|closed the connection|bad certificate/i],
  [
    "that does not believe the server",
    { ca: createTestAuthority("another").cert, cert: own.cert, key: own.key },
    /certificate|self.signed|verify/i,
  ],
] as const)("a client %s is not connected, and says why", async (_, tls, why) => {
  const { zk, told } = client(listOfPort(server?.securePort), { tls, operationMs: 1_500 });
  onTestFinished(async () => zk.close());
  const failed = zk.exists("/");
  await expect(failed).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_UNREACHABLE", outcome: "not-done" });
  await expect(failed).rejects.toThrow(why);
  expect(told).toEqual([]);
});

real("a stream from the server that is cut at any byte: the client connects again, and the session lives", async () => {
  const proxy = await startFaultProxy(server?.port ?? 0);
  onTestFinished(async () => proxy[Symbol.asyncDispose]());
  // Many names of one server: each cut is followed by the next attempt at once.
  const { zk, told } = client(Array.from({ length: 200 }, () => listOfPort(proxy.port)).join(","));
  onTestFinished(async () => zk.close());
  await zk.create("/cut", { lifetime: "ephemeral" });
  const session = zk.sessionId;
  // The answer to a read with its stat, a greeting, and the answer again: all within these bytes.
  for (let byte = 1; byte <= 150; byte += 3) {
    const cut = proxy.cut();
    proxy.set({ type: "cut-at", direction: "down", byte });
    const reads = Array.from({ length: 3 }, () => zk.exists("/cut"));
    for (const stat of await Promise.all(reads)) expect(stat?.ephemeralOwner).toBe(session);
    await cut;
  }
  expect(told.map(({ type }) => type)).not.toContain("expired");
  expect(zk.sessionId).toBe(session);
});

/** Answers whatever comes with whatever `words` has; ends with the test. */
async function nonsense(words: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    socket.on("data", () => words(socket));
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  return (listening.address() as AddressInfo).port;
}

test("servers that speak nonsense, or of huge lengths, are left for the next one, and named", async () => {
  const random = seeded(7);
  const noise = (): Buffer => Buffer.from(Array.from({ length: 60 }, () => Math.floor(random.unit() * 256)));
  const words: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.write(noise()),
    (socket) => socket.write(Buffer.from("7fffffff00000000", "hex")),
    (socket) => socket.write(Buffer.from("ffffffff", "hex")),
    (socket) => socket.write(Buffer.concat([Buffer.from("00000010", "hex"), noise().subarray(0, 16)])),
    (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
  ];
  const ports = await Promise.all(words.map(async (word) => nonsense(word)));
  const { zk, told } = client(ports.map(listOfPort).join(","), { operationMs: 2_000 });
  onTestFinished(async () => zk.close());
  await expect(zk.get("/")).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_UNREACHABLE" });
  expect(told).toEqual([]);
});

real("a list with servers that are not there, or are nonsense, still leads to the one that is", async () => {
  const missing = await createPortPicker()();
  const wrong = await nonsense((socket) => socket.write("nonsense, and more of it"));
  const mute = await nonsense(() => undefined);
  const { zk } = client([missing, wrong, mute, server?.port].map(listOfPort).join(","));
  onTestFinished(async () => zk.close());
  expect(await zk.exists("/")).toBeDefined();
});

test("without any server an operation fails in time and says what was wrong, and closing is quick", async () => {
  const { zk } = client(listOfPort(await createPortPicker()()), { operationMs: 300 });
  await expect(zk.get("/v")).rejects.toThrow(/^get \/v: no server took it in time \(the last one: .*ECONNREFUSED/);
  const waiting = zk.get("/v");
  const closed = zk.close();
  await expect(waiting).rejects.toMatchObject({ code: "FOGBANK_COORDINATION_ENDED" });
  await closed;
  const atOnce = client("127.0.0.1:1");
  await Promise.all([atOnce.zk.close(), atOnce.zk.close()]);
  expect(atOnce.told.map(({ type }) => type)).toEqual(["ended"]);
});
