import { once } from "node:events";
import { generate } from "mqtt-packet";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { CoreBench } from "../../fakes/core-bench.ts";

/** A durable subscriber that is away: what is published for it is to be stored first. */
async function awaySubscriber(bench: CoreBench, topic: string): Promise<void> {
  const client = await bench.client("away", 4, { clean: false });
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 2 }] });
  await client.answer("suback");
  await client.disconnect();
}

function publishes(count: number, qos: 1 | 2, payload: Buffer, protocolVersion: number): Buffer {
  const all = Array.from({ length: count }, (_, at) =>
    generate(
      { cmd: "publish", topic: "a", payload, qos, messageId: at + 1, dup: false, retain: false },
      { protocolVersion },
    ),
  );
  return Buffer.concat(all);
}

test("an MQTT 5 client may have as many QoS 2 publishes unanswered as it was told [MQTT-3.3.4-7]", async () => {
  await using bench = await CoreBench.start();
  await awaySubscriber(bench, "a");
  const publisher = await bench.client("publisher", 5);
  bench.holdStore();
  await publisher.send(publishes(limits.heldPublishes, 2, Buffer.from("x"), 5));
  await bench.proveAlive();
  expect(bench.broker.clients().map(({ clientId }) => clientId)).toContain("publisher");
  bench.releaseStore();
  for (let id = 1; id <= limits.heldPublishes; id++)
    expect(await publisher.expect("pubrec")).toMatchObject({ messageId: id });
  await publisher.sendPacket({
    cmd: "publish",
    topic: "a",
    payload: "x",
    qos: 2,
    messageId: 2_000,
    dup: false,
    retain: false,
  });
  expect(await publisher.answer("disconnect")).toMatchObject({ reasonCode: 0x93 }); // none of them is released
});

test("publishes that wait for the store are bounded: the connection is not read from until it catches up [B2]", async () => {
  await using bench = await CoreBench.start();
  await awaySubscriber(bench, "a");
  const publisher = await bench.socket();
  publisher.write(generate({ cmd: "connect", clientId: "publisher", clean: true, keepalive: 0 }));
  await once(publisher, "data");
  bench.holdStore();
  const before = bench.broker.stats().publishesIn;
  const payload = Buffer.alloc(100_000);
  publisher.write(publishes(300, 1, payload, 4));
  await bench.proveAlive();
  for (let at = 0; at < 300; at++) await new Promise((resolve) => setImmediate(resolve));
  const taken = bench.broker.stats().publishesIn - before - 1;
  expect(taken).toBeGreaterThan(limits.heldPublishBytes / payload.length);
  expect(taken).toBeLessThan((2 * limits.heldPublishBytes) / payload.length);
  let answers = 0;
  const all = Promise.withResolvers<void>();
  publisher.on("data", (bytes: Buffer) => {
    answers += bytes.length / 4;
    if (answers >= 300) all.resolve();
  });
  bench.releaseStore();
  await all.promise;
  expect(bench.broker.stats()).toMatchObject({ queuedMessages: 300 });
});
