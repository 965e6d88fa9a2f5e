import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, type IConnectPacket, type Packet, parser } from "mqtt-packet";
import { expect, onTestFinished, test } from "vitest";
import type { UplinkConfig } from "#agent/config/uplink-url.ts";
import { mqttParent } from "#agent/link/mqtt-parent.ts";
import type { DialOptions } from "#agent/link/parent-connection.ts";
import type { Accepted } from "#agent/net/listen-spec.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { createTestAuthority } from "../../fakes/certificates.ts";
import { authority, listenOn, type ListenBench, serverCredentials } from "../net/listen-bench.ts";

const options: DialOptions = {
  clientId: "device-1",
  username: "uuid-1",
  subscribe: undefined,
  will: undefined,
  onMessage: () => undefined,
  onClosed: () => undefined,
};

/** The CONNECT of the next connection, answered with `returnCode`. */
async function answer(bench: ListenBench, returnCode: number): Promise<Accepted & { readonly packet: IConnectPacket }> {
  const accepted = await bench.accepted();
  const reading = parser();
  const parsed = once(reading, "packet") as Promise<[Packet]>;
  accepted.stream.on("data", (bytes: Buffer) => void reading.parse(bytes));
  const [packet] = await parsed;
  accepted.stream.write(generate({ cmd: "connack", returnCode, sessionPresent: false }));
  return { ...accepted, packet: packet as IConnectPacket };
}

function inFiles(texts: Readonly<Record<string, string>>): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-uplink-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  return (name) => join(folder, name);
}

function dial(bench: ListenBench, more: Partial<UplinkConfig>) {
  const uplink = { host: "127.0.0.1", port: bench.port, url: "mqtt://x", ...more };
  return mqttParent(systemClock, uplink)(options, new AbortController().signal);
}

test("the secret in the file is the password, without its line end", async () => {
  await using bench = await listenOn(["tcp"]);
  const file = inFiles({ secret: "not to be guessed\nsecond line" });
  const [{ packet }, parent] = await Promise.all([answer(bench, 0), dial(bench, { secretFile: file("secret") })]);
  expect(packet).toMatchObject({
    clientId: "device-1",
    username: "uuid-1",
    password: Buffer.from("not to be guessed"),
  });
  await parent[Symbol.asyncDispose]();
});

test("over TLS the parent is verified, and shown this node's certificate", async () => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials({ ca: authority.cert, require: true }) });
  const file = inFiles({ ca: authority.cert, ...authority.issue("device-1") });
  const files = { isTls: true, ca: file("ca"), cert: file("cert"), key: file("key") } as const;
  const [{ origin }, parent] = await Promise.all([answer(bench, 0), dial(bench, files)]);
  expect(origin).toMatchObject({ transport: "tls", certificateName: "device-1" });
  await parent[Symbol.asyncDispose]();
});

test("a parent whose certificate is of another authority is not talked to", async () => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials() });
  const file = inFiles({ ca: createTestAuthority("other").cert });
  await expect(dial(bench, { isTls: true, ca: file("ca") })).rejects.toMatchObject({ code: "FOGBANK_NOT_CONNECTED" });
  await expect(dial(bench, { isTls: true })).rejects.toMatchObject({ code: "FOGBANK_NOT_CONNECTED" });
});

test.each([
  [4, /the parent asks for proof of this node's name: uplink\.secret-file, or uplink\.cert/],
  [5, /another node of this name may be connected there/],
  [3, /the parent is busy/],
])("return code %i is told with what to do", async (returnCode, reason) => {
  await using bench = await listenOn(["tcp"]);
  const dialled = dial(bench, {});
  await Promise.all([answer(bench, returnCode), expect(dialled).rejects.toThrow(reason)]);
});

test("a file that cannot be read is named", async () => {
  await using bench = await listenOn(["tcp"]);
  await expect(dial(bench, { secretFile: "/no/such/secret" })).rejects.toMatchObject({
    code: "FOGBANK_NOT_CONNECTED",
    message: expect.stringMatching(/^cannot read uplink\.secret-file \/no\/such\/secret: ENOENT/),
  });
});
