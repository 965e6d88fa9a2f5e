import { once } from "node:events";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { loadTlsCredentials } from "#agent/net/tls-credentials.ts";
import { createTestAuthority } from "../../fakes/certificates.ts";
import { authority, closed, listenOn, serverCredentials } from "./listen-bench.ts";

function open(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, ...options });
  socket.on("error", () => {});
  return socket;
}

test("bytes travel both ways", async () => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials() });
  const client = open(bench.port);
  const { stream, origin } = await bench.accepted();
  expect(origin).toEqual({ transport: "tls", isLocal: true, remoteAddress: "127.0.0.1" });
  client.write("up");
  expect(String((await once(stream, "data"))[0])).toBe("up");
  stream.write("down");
  expect(String((await once(client, "data"))[0])).toBe("down");
});

test("a verified certificate gives its common name, also again in a resumed session", async () => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials({ ca: authority.cert }) });
  const client = open(bench.port, authority.issue("pump-7"));
  const saved = once(client, "session") as Promise<[Buffer]>;
  const first = await bench.accepted();
  expect(first.origin.certificateName).toBe("pump-7");
  first.stream.write("x");
  client.resume();
  const [session] = await saved;
  const again = open(bench.port, { session });
  expect((await bench.accepted()).origin.certificateName).toBe("pump-7");
  expect(again.isSessionReused()).toBe(true);
});

test.each([
  ["no certificate", {}],
  ["a certificate of another authority", createTestAuthority("other").issue("pump-7")],
  ["a certificate with two common names", authority.issue("pump-7", "root")],
])("%s proves no name", async (_what, options) => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials({ ca: authority.cert }) });
  open(bench.port, options);
  expect((await bench.accepted()).origin).not.toHaveProperty("certificateName");
});

test.each([
  ["no certificate", {}],
  ["a certificate of another authority", createTestAuthority("other").issue("pump-7")],
])("with require-client-certificate %s does not get through", async (_what, options) => {
  await using bench = await listenOn(["tls"], { tls: serverCredentials({ ca: authority.cert, require: true }) });
  const client = open(bench.port, options);
  await closed(client);
  expect(bench.waiting).toEqual([]);
  expect(bench.listeners.connections).toBe(0);
});

test("certificates are read again without dropping a connection; a session of before is not resumed", async () => {
  const next = createTestAuthority("next");
  const files = { ...authority.issue("server"), ca: authority.cert };
  const credentials = loadTlsCredentials(
    { cert: "cert", key: "key", ca: "ca", requireClientCertificate: true },
    (path) => files[path as keyof typeof files],
  );
  await using bench = await listenOn(["tls"], { tls: credentials });
  const before = open(bench.port, authority.issue("pump-7"));
  const saved = once(before, "session") as Promise<[Buffer]>;
  const { stream } = await bench.accepted();
  const [session] = await saved;
  Object.assign(files, next.issue("server"), { ca: next.cert });
  credentials.reload();
  stream.write("still here");
  expect(String((await once(before, "data"))[0])).toBe("still here");
  const old = open(bench.port, { ca: next.cert, session, ...authority.issue("pump-7") });
  await closed(old);
  open(bench.port, { ca: next.cert, ...next.issue("pump-8") });
  expect((await bench.accepted()).origin.certificateName).toBe("pump-8");
});
