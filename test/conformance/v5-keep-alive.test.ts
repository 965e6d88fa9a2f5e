// MQTT 5.0, 3.1.2.10 and 3.12: keep alive.
import { expect, test } from "vitest";
import { isExternal } from "./broker-under-test.ts";
import { useBroker, type V5Client } from "./v5-client.ts";
import { numberOf } from "./v5-properties.ts";

const broker = useBroker();

/** Seconds that count on this connection. */
function keepAliveOf(client: V5Client, asked: number): number {
  return numberOf(client.connack.properties, "serverKeepAlive", asked);
}

test("[MQTT-3.1.2-22] [MQTT-3.2.2-22] one and a half times the keep alive without a packet end the connection", async () => {
  const client = await broker.connect({ keepAlive: 2 });
  const seconds = keepAliveOf(client, 2);
  await broker.advance(seconds * 1000);
  await client.ping();
  await broker.advance(seconds * 1500 + 2000);
  await client.refused(0x8d);
});

test("[MQTT-3.1.2-22] any packet keeps the connection", async () => {
  const client = await broker.connect({ keepAlive: 2 });
  const seconds = keepAliveOf(client, 2);
  for (let turn = 0; turn < 4; turn++) {
    await broker.advance(seconds * 700);
    await client.publish({ topic: broker.unique(), qos: 1 });
  }
  await client.ping();
  expect(client.unread).toEqual([]);
});

test("[MQTT-3.1.2-22] [MQTT-3.1.2-8] a silent client is one whose network has failed: its will is published", async () => {
  const topic = broker.unique();
  const watcher = await broker.connect();
  await watcher.subscribe(topic);
  const client = await broker.connect({ keepAlive: 1, will: { topic, payload: "silent" } });
  await broker.advance(keepAliveOf(client, 1) * 1500 + 2000);
  await client.refused(0x8d);
  expect((await watcher.receive()).payload).toBe("silent");
});

test.skipIf(isExternal).each([0, 65_535])(
  "a Server Keep Alive counts in place of the client's %i, and without one that counts",
  async (keepAlive) => {
    const client = await broker.connect({ keepAlive });
    const seconds = keepAliveOf(client, keepAlive);
    await broker.advance(seconds * 1000);
    await client.ping();
    await broker.advance(seconds * 1500 + 2000);
    if (seconds > 0) return client.refused(0x8d);
    await client.ping();
    expect(client.unread).toEqual([]);
  },
);

test("[MQTT-3.12.4-1] PINGREQ is answered", async () => {
  const client = await broker.connect();
  await client.send(Buffer.from([0xc0, 0x00]), Buffer.from([0xc0, 0x00]));
  expect((await client.expect("pingresp")).size).toBe(2);
  await client.expect("pingresp");
});
