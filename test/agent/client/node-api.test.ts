import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { createNodeApi } from "#agent/client/node-api.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { madeRange, madeStatus, madeStream, ok, startNodeServer } from "./node-server.ts";

const clock = new FakeClock();

function failing(code: string, ...parts: readonly string[]): unknown {
  const lookahead = parts.map((part) => `(?=[^]*${part.replace(/[.?+*()[\]]/g, "\\$&")})`).join("");
  return expect.objectContaining({ code, message: expect.stringMatching(new RegExp(`^${lookahead}`)) });
}

test("status, accounting and data come back as the node tells them", async () => {
  const line = {
    cursor: 4,
    origin: "d",
    epoch: 7,
    stream: "data",
    seq: 1,
    time: "t",
    topic: "/data/a",
    payload: "21.5",
  };
  await using server = await startNodeServer({
    "/api/v1/status": ok(madeStatus()),
    "/api/v1/accounting?origin=device-1": ok([madeStream()]),
    "/api/v1/accounting?origin=device-1&from=2026-07-10T10%3A00%3A00.000Z": ok([madeRange()]),
    "/api/v1/data?origin=d&path=a%2F%23&after=3&limit=2": {
      body: `${JSON.stringify(line)}\n${JSON.stringify({ ...line, cursor: 5 })}\n`,
    },
  });
  const api = createNodeApi(clock, server.url);
  expect(await api.status()).toEqual(madeStatus());
  expect(await api.accounting({ origin: "device-1", stream: undefined })).toEqual([madeStream()]);
  expect(await api.range({ origin: "device-1", from: "2026-07-10T10:00:00.000Z" })).toEqual([madeRange()]);
  expect(await api.data({ origin: "d", path: "a/#", after: 3, limit: 2 })).toEqual([line, { ...line, cursor: 5 }]);
});

test("what a newer node adds to a report stays in it", async () => {
  await using server = await startNodeServer({ "/api/v1/status": ok({ ...madeStatus(), blocks: [1] }) });
  expect(await createNodeApi(clock, `${server.url}/`).status()).toMatchObject({ blocks: [1] });
});

test("where nobody listens, the error names the address and what to try", async () => {
  const server = await startNodeServer({});
  await server[Symbol.asyncDispose]();
  await expect(createNodeApi(clock, server.url).status()).rejects.toThrow(
    failing("FOGBANK_NOT_CONNECTED", server.url, "ECONNREFUSED", "start it there", "listen.http"),
  );
});

test("a server that is no node is told from one that is away", async () => {
  await using server = await startNodeServer({
    "/api/v1/status": { body: "<html>welcome</html>" },
    "/api/v1/accounting": ok({ hello: "world" }),
    "/api/v1/accounting?origin=x": ok([{ ...madeStream(), next: "many" }]),
  });
  const api = createNodeApi(clock, server.url);
  await expect(api.status()).rejects.toThrow(
    failing("FOGBANK_NOT_CONNECTED", `${server.url}/api/v1/status`, "not that of a Fogbank node", "not JSON"),
  );
  await expect(api.accounting({})).rejects.toThrow(failing("FOGBANK_NOT_CONNECTED", "expected Array"));
  await expect(api.accounting({ origin: "x" })).rejects.toThrow(
    failing("FOGBANK_NOT_CONNECTED", "0.next: expected number"),
  );
  await expect(api.data({})).rejects.toThrow(failing("FOGBANK_NOT_CONNECTED", "status 404"));
});

test("what a node refuses comes with the node's own words", async () => {
  await using server = await startNodeServer({
    "/api/v1/data": { status: 404, body: '{"error":"this node passes data on"}' },
    "/api/v1/status": { status: 503, body: '{"error":"the disk is gone","code":"FOGBANK_STORE_FAILED"}' },
  });
  const api = createNodeApi(clock, server.url);
  await expect(api.data({})).rejects.toThrow(failing("FOGBANK_HTTP_REQUEST", "404: this node passes data on"));
  await expect(api.status()).rejects.toThrow(
    failing("FOGBANK_HTTP_REQUEST", "503: FOGBANK_STORE_FAILED: the disk is gone"),
  );
});

test("a server that never answers is given up, and so is a request whose signal aborts", async () => {
  const silent = createServer((socket) => socket.on("error", () => {}));
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = silent.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const own = new FakeClock();
  const arrived = once(silent, "connection");
  const late = expect(createNodeApi(own, url).status()).rejects.toThrow(
    failing("FOGBANK_NOT_CONNECTED", "no answer within 10 s"),
  );
  await arrived;
  await own.advance(10_000);
  await late;
  const stop = new AbortController();
  const again = once(silent, "connection");
  const aborted = expect(createNodeApi(own, url).status(stop.signal)).rejects.toBe("SIGINT");
  await again;
  stop.abort("SIGINT");
  await aborted;
  expect(own.sleepers).toBe(0);
  silent.close();
});
