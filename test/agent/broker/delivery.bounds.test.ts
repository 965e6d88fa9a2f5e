// What a subscriber costs that takes nothing [B2]: it reads and never confirms, or does not even read.
import { once } from "node:events";
import type { Socket } from "node:net";
import { generate } from "mqtt-packet";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import type { Qos } from "#shared/system/bus.ts";
import { CoreBench } from "../../fakes/core-bench.ts";
import { createMemorySessionStore } from "../../fakes/memory-session-store.ts";

interface Silence {
  readonly qos: Qos;
  readonly clean: boolean;
  readonly reads: boolean;
}

async function silentSubscriber(bench: CoreBench, clientId: string, { qos, clean, reads }: Silence): Promise<Socket> {
  const socket = await bench.socket();
  socket.write(generate({ cmd: "connect", clientId, clean, keepalive: 0 }));
  await once(socket, "data");
  socket.write(generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos }] }));
  await once(socket, "data");
  if (reads) socket.resume();
  else socket.pause();
  return socket;
}

const storedBound = { messages: 500, bytes: 4 * 1024 * 1024 };
const cases = ([0, 1, 2] as const).flatMap((qos) =>
  [true, false].flatMap((clean) => [true, false].map((reads) => ({ qos, clean, reads }))),
);

test.each(cases)("a silent subscriber is bounded: QoS $qos, clean $clean, reads $reads [B2]", async (silence) => {
  await using bench = await CoreBench.start({ store: createMemorySessionStore(storedBound) });
  await silentSubscriber(bench, "silent", silence);
  const payload = new Uint8Array(20_000);
  let messages = 0;
  let bytes = 0;
  for (let at = 0; at < 3_000; at++) {
    await bench.broker.publish({ topic: "a", payload, qos: silence.qos, retain: false });
    if (at % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    const stats = bench.broker.stats();
    messages = Math.max(messages, stats.queuedMessages);
    bytes = Math.max(bytes, stats.queuedBytes);
  }
  const inFlight = limits.inflightMessages;
  expect(messages).toBeLessThanOrEqual(silence.clean ? limits.sessionQueueMessages : storedBound.messages + inFlight);
  expect(bytes).toBeLessThanOrEqual(silence.clean ? limits.sessionQueueBytes : storedBound.bytes + inFlight * 20_001);
  if (silence.qos === 0) expect([messages, bytes]).toEqual([0, 0]);
  if (silence.qos > 0 || !silence.reads) expect(bench.broker.stats().dropped).toBeGreaterThan(0);
  await bench.proveAlive();
});

test("many silent subscribers together stay within what all queues may take [B2]", async () => {
  await using bench = await CoreBench.start();
  const count = 12;
  for (let at = 0; at < count; at++)
    await silentSubscriber(bench, `silent-${at}`, { qos: 1, clean: true, reads: true });
  const payload = new Uint8Array(200_000);
  let most = 0;
  for (let at = 0; at < 100; at++) {
    await bench.broker.publish({ topic: "a", payload, qos: 1, retain: false });
    most = Math.max(most, bench.broker.stats().queuedBytes);
  }
  expect(most).toBeLessThanOrEqual(limits.sessionQueuesBytes);
  expect(most).toBeGreaterThan(limits.sessionQueuesBytes / 2);
  await bench.proveAlive();
});

test("the queue of a silent subscriber is gone with its session [B2]", async () => {
  await using bench = await CoreBench.start();
  const silent = await silentSubscriber(bench, "silent", { qos: 1, clean: true, reads: true });
  for (let at = 0; at < 2_000; at++)
    await bench.broker.publish({ topic: "a", payload: new Uint8Array(100), qos: 1, retain: false });
  expect(bench.broker.stats().queuedMessages).toBe(2_000 - limits.inflightMessages);
  const left = new Promise<void>((resolve) => {
    bench.broker.onClient(({ type }) => void (type === "disconnected" && resolve()));
  });
  silent.resetAndDestroy();
  await left;
  expect(bench.broker.stats()).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
});
