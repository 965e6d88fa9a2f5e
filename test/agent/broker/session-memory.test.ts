import { expect, test } from "vitest";
import type { QueuedPacket } from "#agent/broker/outgoing-queue.ts";
import { SessionMemory, type SessionBounds } from "#agent/broker/session-memory.ts";
import type { Qos } from "#shared/system/bus.ts";

const roomy: SessionBounds = {
  sessionsMax: 10,
  queueMessagesMax: 100,
  queueBytesMax: 100_000,
  totalQueueBytesMax: 100_000,
  retainedMax: 10,
  retainedBytesMax: 100_000,
  subscriptionsMax: 10,
};

function createMemory(bounds: Partial<SessionBounds> = {}, connected: readonly string[] = []): SessionMemory {
  return new SessionMemory(
    { ...roomy, ...bounds },
    (_client, filter) => !filter.startsWith("denied"),
    (clientId) => connected.includes(clientId),
  );
}

function packet(counter: number, topic = "a", qos: Qos = 1, payload = "x"): QueuedPacket {
  const bytes = Buffer.from(payload);
  return {
    cmd: "publish",
    brokerId: "b",
    brokerCounter: counter,
    topic,
    payload: bytes,
    qos,
    retain: false,
    dup: false,
  };
}

function enqueue(memory: SessionMemory, message: QueuedPacket): void {
  memory.subscriptionsByTopic(message.topic).then((recipients) => memory.outgoingEnqueueCombi(recipients, message));
}

async function queueOf(memory: SessionMemory, id: string): Promise<QueuedPacket[]> {
  const packets: QueuedPacket[] = [];
  for await (const kept of memory.outgoingStream({ id })) packets.push(kept);
  return packets;
}

const countersOf = async (memory: SessionMemory, id: string) =>
  (await queueOf(memory, id)).map(({ brokerCounter }) => brokerCounter);

test("a full queue loses its oldest messages, counted", async () => {
  const memory = createMemory({ queueMessagesMax: 3 });
  await memory.addSubscriptions({ id: "c" }, [{ topic: "a", qos: 1 }]);
  for (let counter = 1; counter <= 5; counter++) enqueue(memory, packet(counter));
  expect(await countersOf(memory, "c")).toEqual([3, 4, 5]);
  expect(memory.counts).toMatchObject({ queuedMessages: 3, dropped: 2 });
});

test("queues are bounded in bytes, each and together", async () => {
  const memory = createMemory({ queueBytesMax: 500, totalQueueBytesMax: 700 });
  await memory.addSubscriptions({ id: "one" }, [{ topic: "a", qos: 1 }]);
  for (let counter = 1; counter <= 3; counter++) enqueue(memory, packet(counter));
  expect(await countersOf(memory, "one")).toEqual([2, 3]);
  await memory.addSubscriptions({ id: "two" }, [{ topic: "b", qos: 1 }]);
  for (let counter = 4; counter <= 5; counter++) enqueue(memory, packet(counter, "b"));
  expect(await countersOf(memory, "two")).toEqual([5]);
  expect(memory.counts).toMatchObject({ queuedMessages: 3, queuedBytes: 606, dropped: 2 });
});

test("an acknowledged message leaves its queue, in any order", async () => {
  const memory = createMemory();
  const client = { id: "c" };
  await memory.addSubscriptions(client, [{ topic: "a", qos: 1 }]);
  for (let counter = 1; counter <= 3; counter++) {
    enqueue(memory, packet(counter));
    await memory.outgoingUpdate(client, { ...packet(counter), messageId: 100 + counter });
  }
  await memory.outgoingClearMessageId(client, { messageId: 102 });
  await memory.outgoingClearMessageId(client, { messageId: 999 });
  await memory.outgoingClearMessageId(client, {});
  expect(await queueOf(memory, "c")).toMatchObject([
    { brokerCounter: 1, messageId: 101, dup: true },
    { brokerCounter: 3, messageId: 103, dup: true },
  ]);
});

test("a received QoS 2 message is repeated as its release only", async () => {
  const memory = createMemory();
  const client = { id: "c" };
  await memory.addSubscriptions(client, [{ topic: "a", qos: 2 }]);
  enqueue(memory, packet(1, "a", 2));
  await memory.outgoingUpdate(client, { ...packet(1), messageId: 9 });
  await memory.outgoingUpdate(client, { ...packet(0), brokerId: undefined, cmd: "pubrel", messageId: 9 });
  expect(await queueOf(memory, "c")).toMatchObject([{ cmd: "pubrel", messageId: 9, payload: new Uint8Array(0) }]);
  await memory.outgoingClearMessageId(client, { messageId: 9 });
  expect(memory.counts).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
});

test("overlapping filters queue a message once, at the highest QoS asked for [MQTT-3.3.5-1]", async () => {
  const memory = createMemory();
  await memory.addSubscriptions({ id: "c" }, [
    { topic: "a", qos: 1 },
    { topic: "#", qos: 2 },
    { topic: "+", qos: 0 },
  ]);
  enqueue(memory, packet(1, "a", 2));
  enqueue(memory, packet(2, "$x", 2));
  expect(await queueOf(memory, "c")).toMatchObject([{ brokerCounter: 1, qos: 2 }]);
});

test("a refused filter is not kept, and QoS 0 is not queued but counts as a subscriber", async () => {
  const memory = createMemory();
  await memory.addSubscriptions({ id: "c" }, [
    { topic: "denied/#", qos: 1 },
    { topic: "zero", qos: 0 },
  ]);
  expect(["denied/x", "zero", "other"].map((topic) => memory.hasSubscriber(topic))).toEqual([false, true, false]);
  enqueue(memory, packet(1, "zero"));
  expect(memory.counts.queuedMessages).toBe(0);
  expect(await memory.subscriptionsByClient({ id: "c" })).toEqual([{ topic: "zero", qos: 0 }]);
});

test("the longest unused session that is offline makes room for a new one", async () => {
  const memory = createMemory({ sessionsMax: 3 }, ["a"]);
  for (const id of ["a", "b", "c"]) await memory.addSubscriptions({ id }, [{ topic: id, qos: 1 }]);
  await memory.subscriptionsByClient({ id: "b" });
  await memory.addSubscriptions({ id: "d" }, [{ topic: "d", qos: 1 }]);
  expect(["a", "b", "c", "d"].map((topic) => memory.hasSubscriber(topic))).toEqual([true, true, false, true]);
  expect(memory.counts.sessions).toBe(3);
});

test("retained messages are bounded in number and bytes, and cleared by an empty one", async () => {
  const memory = createMemory({ retainedMax: 2, retainedBytesMax: 600 });
  for (const topic of ["a", "b", "c"]) memory.storeRetained(packet(1, topic));
  memory.storeRetained(packet(1, "a", 1, "x".repeat(500)));
  expect(memory.counts).toMatchObject({ retained: 1, dropped: 2 });
  memory.storeRetained(packet(1, "b", 1, ""));
  expect(memory.counts.retained).toBe(0);
});

test("a QoS 2 message from a clean session that has ended is not kept", async () => {
  const memory = createMemory();
  const gone = { id: "c", clean: true, closed: true };
  await expect(memory.incomingStorePacket(gone, { messageId: 1 })).rejects.toThrow("ended");
  await memory.incomingStorePacket({ id: "c" }, { messageId: 1 });
  expect(memory.hasIncoming("c", 1)).toBe(true);
  await memory.incomingDelPacket({ id: "c" }, { messageId: 1 });
  expect(memory.hasIncoming("c", 1)).toBe(false);
});

test("QoS 2 messages taken in count as a session, and go with it", async () => {
  const memory = createMemory({ sessionsMax: 2 });
  for (const id of ["a", "b", "c"]) await memory.incomingStorePacket({ id }, { messageId: 1 });
  expect(["a", "b", "c"].map((id) => memory.hasIncoming(id, 1))).toEqual([false, true, true]);
  expect(memory.counts.sessions).toBe(2);
});
