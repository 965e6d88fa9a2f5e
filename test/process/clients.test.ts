// Clients that others have written, against a real node: what each of them can do, in MQTT 3.1.1 and 5, over TCP and WebSocket.
//
// Every kind of client runs through the same tests on one node; what a restart has to keep is looked at on a node of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Qos } from "#shared/system/bus.ts";
import { limits } from "#shared/limits.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { findMosquittoTools, mosquittoClient } from "../fakes/mosquitto-tools.ts";
import { mqttJsClient } from "../fakes/mqtt-js-client.ts";
import type { ClientKind, RealMessage, RealSubscriber, SubscribeOptions } from "../fakes/real-client.ts";
import { u8Client } from "../fakes/u8-client.ts";

const webSocketPorts = new Map<number, number>();
const webSocketPortOf = (port: number): number => webSocketPorts.get(port) ?? 0;
const mosquitto = await findMosquittoTools();
const kinds: readonly ClientKind[] = [
  mqttJsClient(4),
  mqttJsClient(5),
  mqttJsClient(4, webSocketPortOf),
  mqttJsClient(5, webSocketPortOf),
  u8Client(4),
  u8Client(5),
  ...("missing" in mosquitto ? [] : [mosquittoClient(mosquitto, 4), mosquittoClient(mosquitto, 5)]),
];

const folder = mkdtempSync(join(tmpdir(), "fogbank-clients-"));
const pick = createPortPicker();
let node: NodeUnderTest;
let used = 0;

async function startNode(name: string): Promise<NodeUnderTest> {
  const [mqtt, http, webSocket] = [await pick(), await pick(), await pick()];
  webSocketPorts.set(mqtt, webSocket);
  const listen = `listen.mqtt=127.0.0.1:${mqtt},ws://127.0.0.1:${webSocket}`;
  const started = nodeUnderTest(folder, name, { mqtt, http }, "");
  await started.start(listen);
  return { ...started, start: (...assignments) => started.start(listen, ...assignments) };
}

beforeAll(async () => {
  node = await startNode("clients");
});

afterAll(async () => {
  await node.end();
  rmSync(folder, { recursive: true, force: true });
});

/** Leaves when the test is over, if it has not before. */
async function subscriber(kind: ClientKind, options: SubscribeOptions): Promise<RealSubscriber> {
  const started = await kind.subscribe(node.mqttPort, options);
  onTestFinished(() => started.kill());
  return started;
}

/** A name that no other test uses. */
function unique(): string {
  return `clients/${++used}`;
}

function textsOf(received: readonly RealMessage[]): readonly string[] {
  return received.map(({ payload }) => Buffer.from(payload).toString());
}

function numbered(count: number, from = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}

test("mosquitto's tools take part", (context) => {
  if ("missing" in mosquitto) {
    console.warn(`SKIPPED: ${mosquitto.missing}`);
    context.skip(mosquitto.missing);
  }
  expect(kinds.map(({ name }) => name)).toContain("mosquitto's tools, MQTT 5");
});

describe.each(kinds)("$name", (kind) => {
  const qualities = ([0, 1, 2] as const).filter((qos) => qos <= kind.qosMax);

  test.each(qualities)("a message at QoS %i arrives as it was sent, at that QoS", async (qos) => {
    const topic = unique();
    const heard = await subscriber(kind, { clientId: topic, filter: `${topic}/#`, qos });
    for (const text of ["first", "", "third ✓"])
      await kind.publish(node.mqttPort, { topic: `${topic}/a`, payload: text, qos });
    await heard.until(3);
    expect(textsOf(heard.received)).toEqual(["first", "", "third ✓"]);
    expect(heard.received.map((message) => message.qos)).toEqual([qos, qos, qos]);
    expect(heard.received.every((message) => message.topic === `${topic}/a` && !message.retain)).toBe(true);
  });

  test("the will of a killed client is published, that of one who says goodbye only if it asks for it", async () => {
    const topic = unique();
    const qos: Qos = kind.qosMax;
    const heard = await subscriber(kind, { clientId: topic, filter: topic, qos });
    const polite = await kind.connectWithWill(node.mqttPort, `${topic}-polite`, { topic, payload: "polite", qos });
    await polite.leave();
    const killed = await kind.connectWithWill(node.mqttPort, `${topic}-killed`, { topic, payload: "killed", qos });
    await killed.kill();
    await heard.until(kind.leavesWithWill ? 2 : 1);
    await kind.publish(node.mqttPort, { topic, payload: "end", qos });
    await heard.until(kind.leavesWithWill ? 3 : 2);
    expect(textsOf(heard.received)).toEqual([...(kind.leavesWithWill ? ["polite"] : []), "killed", "end"]);
  });

  test("a retained message is there for who comes later, until it is taken away", async () => {
    const topic = unique();
    await kind.publish(node.mqttPort, { topic, payload: "old", qos: 1, retain: true });
    await kind.publish(node.mqttPort, { topic, payload: "new", qos: 1, retain: true });
    const later = await subscriber(kind, { clientId: `${topic}-1`, filter: topic, qos: 1 });
    await later.until(1);
    expect(later.received).toMatchObject([{ topic, qos: 1, retain: true }]);
    await kind.publish(node.mqttPort, { topic, payload: "", qos: 1, retain: true });
    const last = await subscriber(kind, { clientId: `${topic}-2`, filter: topic, qos: 1 });
    await kind.publish(node.mqttPort, { topic, payload: "live", qos: 1 });
    await last.until(1);
    expect(textsOf(last.received)).toEqual(["live"]);
    expect(textsOf(later.received)[0]).toBe("new");
  });

  test("the members of a shared subscription have each message once between them", async () => {
    const topic = unique();
    const filter = `$share/group/${topic}`;
    const one = await subscriber(kind, { clientId: `${topic}-1`, filter, qos: 1 });
    const two = await subscriber(kind, { clientId: `${topic}-2`, filter, qos: 1 });
    for (const payload of numbered(10)) await kind.publish(node.mqttPort, { topic, payload, qos: 1 });
    await eventually(
      async () => one.received.length + two.received.length,
      (count) => count >= 10,
    );
    const all = [...textsOf(one.received), ...textsOf(two.received)].map(Number);
    expect(all.toSorted((a, b) => a - b)).toEqual(numbered(10).map(Number));
    expect(Math.min(one.received.length, two.received.length)).toBeGreaterThan(0);
  });

  test("a packet of 1 MiB passes", async () => {
    const topic = unique();
    const heard = await subscriber(kind, { clientId: topic, filter: topic, qos: 1 });
    // Fixed header and length, topic, packet identifier, and the length of the properties.
    const headBytes = 4 + 2 + topic.length + 2 + (kind.version === 5 ? 1 : 0);
    const payload = Buffer.alloc(limits.packetBytes - headBytes, "fogbank ");
    await kind.publish(node.mqttPort, { topic, payload, qos: 1 });
    await heard.until(1);
    expect(heard.received[0]?.payload.length).toBe(payload.length);
    expect(Buffer.compare(heard.received[0]?.payload ?? new Uint8Array(), payload)).toBe(0);
  });

  test.runIf(kind.version === 5)("messages and sessions expire in their time", async () => {
    const topic = unique();
    const session = { clientId: topic, filter: topic, qos: 1, sessionSeconds: 600 } as const;
    await (await kind.subscribe(node.mqttPort, session)).leave();
    const sessions = async () => (await node.status()).counters["broker.sessions"] ?? -1;
    const before = await sessions();
    await kind.publish(node.mqttPort, { topic, payload: "short", qos: 1, expirySeconds: 1 });
    await kind.publish(node.mqttPort, { topic, payload: "long", qos: 1, expirySeconds: 600 });
    await kind.publish(node.mqttPort, { topic, payload: "for ever", qos: 1 });
    // The broker's own clock says when two seconds are over: this session is gone then.
    const brief = { clientId: `${topic}-brief`, filter: topic, qos: 1, sessionSeconds: 2 } as const;
    await (await kind.subscribe(node.mqttPort, brief)).leave();
    expect(await sessions()).toBe(before + 1);
    await eventually(sessions, (count) => count === before);
    const back = await kind.subscribe(node.mqttPort, { ...session, resumes: true });
    await back.until(2);
    await kind.publish(node.mqttPort, { topic, payload: "end", qos: 1 });
    await back.until(3);
    await back.leave();
    expect(textsOf(back.received)).toEqual(["long", "for ever", "end"]);
    // A clean start ends the session, so that the next test counts right.
    await (await kind.subscribe(node.mqttPort, { clientId: topic, filter: topic, qos: 1 })).leave();
    await eventually(sessions, (count) => count === before - 1);
  });
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "[B1] sessions, what waits for them and retained messages outlast %s",
  async (signal) => {
    const restarted = await startNode(`restart-${signal.toLowerCase()}`);
    onTestFinished(async () => void (await restarted.end()));
    const port = restarted.mqttPort;
    const sessions = kinds.map((kind, index) => {
      const topic = `restart/${index}`;
      const options = { clientId: topic, filter: topic, qos: kind.qosMax, sessionSeconds: 600 } as const;
      return { kind, topic, options };
    });
    for (const { kind, topic, options } of sessions) {
      await (await kind.subscribe(port, options)).leave();
      for (const payload of numbered(5)) await kind.publish(port, { topic, payload, qos: kind.qosMax });
      await kind.publish(port, { topic: `kept/${topic}`, payload: topic, qos: 1, retain: true });
    }
    await restarted.end(signal);
    await restarted.start();
    for (const { kind, topic, options } of sessions) {
      const back = await kind.subscribe(port, { ...options, resumes: true });
      await back.until(5);
      await kind.publish(port, { topic, payload: "6", qos: kind.qosMax });
      await back.until(6);
      await back.leave();
      expect(textsOf(back.received), kind.name).toEqual(numbered(6));
      expect(back.received.map(({ qos }) => qos)).toEqual(Array.from({ length: 6 }, () => kind.qosMax));
      const reader = await kind.subscribe(port, { clientId: `${topic}-reader`, filter: `kept/${topic}`, qos: 1 });
      await reader.until(1);
      expect(reader.received, kind.name).toMatchObject([{ topic: `kept/${topic}`, retain: true }]);
      await reader.leave();
    }
  },
);
