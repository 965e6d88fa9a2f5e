// A node that starts with a large backlog for clients that are away: it looks at none of it before they return.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { limits } from "#shared/limits.ts";
import { openMqttSocket } from "../../scripts/bench/mqtt-socket.ts";
import { ackByte, encodePublish, writeUint16 } from "../../scripts/bench/packets.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { mqttJsClient } from "../fakes/mqtt-js-client.ts";

/** As many as one session may have waiting. */
const perSession = limits.storedQueueMessages;
const sessions = ["backlog/1", "backlog/2"];
const payloadBytes = 200;
const window = 500;
/** The backlog's payloads alone take 40 MB, as objects a multiple of that. */
const growthBytesMax = 24 * 1024 * 1024;

const client = mqttJsClient(4);

/** Publishes numbered messages at QoS 1, some hundred at once; resolves when all are acknowledged. */
async function publishMany(port: number, topic: string, count: number): Promise<void> {
  const image = encodePublish(topic, Buffer.alloc(payloadBytes, " "));
  let sent = 0;
  let acknowledged = 0;
  const done = Promise.withResolvers<void>();
  const socket = await openMqttSocket(port, `publisher-${topic}`, {
    onPacket(firstByte) {
      if (firstByte === ackByte.puback) acknowledged++;
    },
    onChunkEnd() {
      if (acknowledged === count) done.resolve();
      else if (sent > 0) sendSome(); // not behind CONNACK, which comes before there is a socket here
    },
  });
  sendSome();
  await Promise.race([done.promise, socket.lost]);
  socket.close();

  function sendSome(): void {
    const packets: Uint8Array[] = [];
    for (; sent < count && sent - acknowledged < window; sent++) {
      const bytes = image.bytes.slice();
      writeUint16(bytes, image.packetIdAt, (sent % 65_535) + 1);
      Buffer.from(bytes.buffer).write(`${sent} `, image.payloadAt, "latin1");
      packets.push(bytes);
    }
    if (packets.length > 0) socket.write(Buffer.concat(packets));
  }
}

/** Bytes of memory that the node's process has resident. */
async function residentBytes(node: NodeUnderTest): Promise<number> {
  const { pid } = (await node.status()).node;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib) * 1024;
}

/** How long the start took, and the memory right behind it. */
async function startMeasured(node: NodeUnderTest): Promise<{ readonly startMs: number; readonly bytes: number }> {
  const startMs = performance.now();
  await node.start();
  return { startMs: performance.now() - startMs, bytes: await residentBytes(node) };
}

test("[B2] a backlog of 200 000 messages costs a node no memory at its start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-backlog-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const node = nodeUnderTest(folder, "backlog", { mqtt: await pick(), http: await pick() }, "");
  onTestFinished(async () => void (await node.end()));
  const session = (topic: string) => ({ clientId: topic, filter: topic, qos: 1, sessionSeconds: 600 }) as const;
  await node.start();
  for (const topic of sessions) await (await client.subscribe(node.mqttPort, session(topic))).leave();
  await node.end();
  const empty = await startMeasured(node);
  for (const topic of sessions) await publishMany(node.mqttPort, topic, perSession);
  await node.end();
  const full = await startMeasured(node);
  const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  console.log(`empty: READY in ${empty.startMs.toFixed(0)} ms, ${mib(empty.bytes)}`);
  console.log(`${perSession * sessions.length} messages: READY in ${full.startMs.toFixed(0)} ms, ${mib(full.bytes)}`);
  expect(full.bytes - empty.bytes).toBeLessThan(growthBytesMax);
  const back = await client.subscribe(node.mqttPort, { ...session(sessions[0] ?? ""), resumes: true });
  onTestFinished(() => back.kill());
  const { counters } = await node.status();
  expect(counters["broker.queuedMessages"]).toBeGreaterThan(perSession);
  expect(counters["broker.dropped"]).toBe(0);
  await back.until(2 * limits.inflightMessages);
  const numbers = back.received
    .slice(0, 2 * limits.inflightMessages)
    .map(({ payload }) => parseInt(payload.toString(), 10));
  expect(numbers).toEqual(numbers.map((_, at) => at));
});
