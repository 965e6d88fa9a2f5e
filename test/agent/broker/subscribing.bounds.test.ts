import { once } from "node:events";
import { generate } from "mqtt-packet";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { CoreBench } from "../../fakes/core-bench.ts";

test("a filter that is subscribed to again and again gives its retained messages again, not as often as was asked [B2]", async () => {
  await using bench = await CoreBench.start();
  const payload = Buffer.alloc(300_000);
  for (let at = 0; at < 10; at++) await bench.broker.publish({ topic: `kept/${at}`, payload, qos: 0, retain: true });
  const deaf = await bench.socket();
  deaf.write(generate({ cmd: "connect", clientId: "deaf", clean: true, keepalive: 0 }));
  await once(deaf, "data");
  deaf.pause();
  const subscribe = generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "kept/#", qos: 0 }] });
  const times = 200;
  for (let at = 0; at < times; at++) deaf.write(subscribe);
  await bench.proveAlive();
  let bytes = 0;
  deaf.on("data", (chunk: Buffer) => void (bytes += chunk.length));
  deaf.resume();
  for (let quiet = 0, last = -1; quiet < 20; quiet = last === bytes ? quiet + 1 : 0) {
    last = bytes;
    await bench.proveAlive();
  }
  expect(bytes).toBeGreaterThan(10 * payload.length);
  expect(bytes).toBeLessThan(60 * payload.length);
});

test("what waits for a subscription that has ended is forgotten [B2] [MQTT-3.10.4-2]", async () => {
  await using bench = await CoreBench.start();
  const payload = Buffer.alloc(700_000);
  for (let at = 0; at < 20; at++) await bench.broker.publish({ topic: `kept/${at}`, payload, qos: 0, retain: true });
  const client = await bench.client("client");
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "kept/#", qos: 0 }] });
  await client.sendPacket({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["kept/#"] });
  await client.answer("unsuback");
  await client.ping();
  expect(client.unread.length).toBeLessThan(20);
});

test("subscriptions that wait for the store are bounded: the connection is not read from until it catches up [B2]", async () => {
  await using bench = await CoreBench.start();
  const client = await bench.socket();
  client.write(generate({ cmd: "connect", clientId: "keeper", clean: false, keepalive: 0 }));
  await once(client, "data");
  bench.holdStore();
  const ends: string[] = [];
  bench.broker.subscribe("end", ({ topic }) => void ends.push(topic));
  const times = limits.heldPublishes * 3;
  const packets = Array.from({ length: times }, (_, at) =>
    generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: `t/${at}`, qos: 0 }] }),
  );
  const last = generate({ cmd: "publish", topic: "end", payload: "", qos: 0, dup: false, retain: false });
  client.write(Buffer.concat([...packets, last]));
  await bench.proveAlive();
  expect(bench.broker.hasSubscriber("t/0")).toBe(true);
  expect(ends).toEqual([]); // the bytes before it have not been read yet
  let bytes = 0;
  const all = Promise.withResolvers<void>();
  client.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes >= times * 5) all.resolve();
  });
  bench.releaseStore();
  await all.promise;
  await bench.proveAlive();
  expect([bytes, ends]).toEqual([times * 5, ["end"]]);
});
