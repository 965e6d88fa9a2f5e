import { expect, test } from "vitest";
import { KeptWills } from "#agent/broker/kept-wills.ts";
import { limits } from "#shared/limits.ts";
import type { Will } from "#shared/mqtt/connect-packet.ts";
import { CoreBench } from "../../fakes/core-bench.ts";

const will = (payloadBytes: number): Will => ({
  topic: "w",
  payload: new Uint8Array(payloadBytes),
  qos: 0,
  retain: false,
  delaySeconds: 0,
  expirySeconds: undefined,
  properties: new Uint8Array(0),
});

test("wills count for as long as somebody keeps them, each keeper for one [B2]", () => {
  const wills = new KeptWills();
  const [first, second] = [{}, {}];
  wills.keep(first, will(limits.willBytes / 2));
  expect([wills.hasRoomFor(will(10)), wills.hasRoomFor(will(limits.willBytes / 2))]).toEqual([true, false]);
  wills.keep(first, will(10));
  wills.keep(second, will(20));
  wills.release(first);
  wills.release(first);
  wills.release(second);
  expect(wills.bytes).toBe(0);
});

test("a will for which there is no room refuses the connection, and room comes back with a connection that ends [B2]", async () => {
  await using bench = await CoreBench.start();
  const large = { topic: "w", payload: Buffer.alloc(60_000), qos: 0, retain: false } as const;
  const clients = [];
  for (let at = 0; at < Math.floor(limits.willBytes / 60_258); at++) {
    if (at % 500 === 0) await bench.clock.advance(1_000); // not faster than they are let in
    clients.push(await bench.client(`c${at}`, 5, { will: large }));
  }
  await expect(bench.client("more", 5, { will: large })).rejects.toThrow(/0x97|151/);
  await clients[0]?.disconnect();
  await bench.client("more", 5, { will: large });
});
