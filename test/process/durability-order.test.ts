// kill -9 cannot tell a synced log from an unsynced one: the system's cache outlives the process. So the calls themselves are looked
// at: between the arrival of a message and its answer its commit must be written and synced, at the first node and at a parent.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "mqtt-packet";
import { expect, test } from "vitest";
import { decodeAck } from "#shared/link/frames.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { RawClient } from "../fakes/raw-client.ts";
import { journalOrder, markedPayload } from "./durability/durable-order.ts";
import {
  connectionsOf,
  readTrace,
  traceEnvironment,
  whyNoTrace,
  type IoCall,
  type TracedPacket,
} from "./durability/io-trace.ts";

const reason = whyNoTrace();
if (reason !== undefined) console.log(reason);

const single = 20;
const bursts = 3;
const burst = 200;
const total = single + bursts * burst;

const markOf = (number: number): string => `message-${number}`;
const device = "device-1";
const deviceSettings = "level = device; sources: { host: { enabled = no; }; };";

interface Scene {
  /** A node of these settings; `isTraced` for the one whose calls are written down. */
  readonly add: (name: string, settings: string, isTraced?: "traced") => Promise<NodeUnderTest>;
  /** Ends all nodes and reads the trace. */
  readonly calls: () => Promise<readonly IoCall[]>;
}

async function traced(work: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-order-"));
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(startOrphanGuard());
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const nodes: NodeUnderTest[] = [];
  const end = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.end())));
  stack.defer(end);
  const trace = join(folder, "trace");
  await work({
    async add(name, settings, isTraced) {
      const env = isTraced === undefined ? {} : traceEnvironment(folder, trace);
      const ports = { mqtt: await pick(), http: await pick() };
      const node = nodeUnderTest(folder, name, ports, settings, guard, env);
      nodes.push(node);
      await node.start();
      return node;
    },
    async calls() {
      await end();
      return readTrace(trace);
    },
  });
}

/** One publish at a time, then in bursts; every one is acknowledged. */
async function publishAll(node: NodeUnderTest): Promise<void> {
  await using client = await RawClient.open(node.mqttPort);
  await client.connect({ clientId: "sensor" });
  const packet = (number: number): Uint8Array =>
    generate({
      cmd: "publish",
      topic: "/data/x",
      payload: markedPayload(markOf(number)),
      qos: 1,
      messageId: number,
      dup: false,
      retain: false,
    });
  for (let number = 1; number <= single; number++) {
    await client.send(packet(number));
    await client.answer("puback", number);
  }
  for (let first = single + 1; first <= total; first += burst) {
    await client.send(...Array.from({ length: burst }, (_, index) => packet(first + index)));
    await client.answer("puback", first + burst - 1);
  }
}

const numbers = Array.from({ length: total }, (_, index) => index + 1);

test.skipIf(reason !== undefined)(
  "[O1] every publish is committed and synced before its PUBACK is written, one by one and in bursts",
  () =>
    traced(async ({ add, calls }) => {
      const node = await add(device, deviceSettings, "traced");
      await publishAll(node);
      const trace = await calls();
      const order = journalOrder(trace);
      const sensor = connectionsOf(trace, node.mqttPort).find(({ clientId }) => clientId === "sensor");
      const arrivals = byNumber(sensor?.received ?? [], "publish");
      const answers = byNumber(sensor?.sent ?? [], "puback");
      const doubts = numbers.map((number) =>
        order.whyNotDurable(markOf(number), arrivals.get(number), answers.get(number)),
      );
      expect(doubts.filter((doubt) => doubt !== undefined)).toEqual([]);
    }),
);

test.skipIf(reason !== undefined)(
  "[O5] every message of a child is committed and synced at its parent before the acknowledgement frame is written",
  () =>
    traced(async ({ add, calls }) => {
      const parent = await add("cloud-1", "level = cloud;", "traced");
      const child = await add(device, `${deviceSettings} uplink: { url = "mqtt://127.0.0.1:${parent.mqttPort}"; };`);
      await publishAll(child);
      await eventually(
        () => child.accounting(device),
        (rows) => rows.length === 1 && rows[0]?.next === total + 1 && rows[0].pending === 0,
      );
      const trace = await calls();
      const order = journalOrder(trace);
      const links = connectionsOf(trace, parent.mqttPort).filter(({ clientId }) => clientId.startsWith(device));
      const batches = links.flatMap(({ received }) => received).filter((one) => topicOf(one) === `$fog/up/${device}/b`);
      const acks = links.flatMap(({ sent }) => sent).filter((one) => topicOf(one) === `$fog/dn/${device}/a`);
      const answers = new Map(
        acks.toReversed().flatMap((ack) => acknowledgedBy(ack).map((number) => [number, ack] as const)),
      );
      const doubts = numbers.map((number) => {
        const arrival = batches.find(({ packet }) => payloadOf(packet).includes(`<${markOf(number)}>`));
        return order.whyNotDurable(markOf(number), arrival, answers.get(number));
      });
      expect(doubts.filter((doubt) => doubt !== undefined)).toEqual([]);
    }),
);

/** By packet identifier, which is the message's number. */
function byNumber(packets: readonly TracedPacket[], cmd: "publish" | "puback"): ReadonlyMap<number, TracedPacket> {
  return new Map(packets.flatMap((one) => (one.packet.cmd === cmd ? [[one.packet.messageId ?? 0, one] as const] : [])));
}

function topicOf({ packet }: TracedPacket): string | undefined {
  return packet.cmd === "publish" ? packet.topic : undefined;
}

function payloadOf(packet: TracedPacket["packet"]): Buffer {
  return packet.cmd === "publish" && Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.alloc(0);
}

/** The device has one stream, so its numbers are those of the messages. */
function acknowledgedBy({ packet }: TracedPacket): readonly number[] {
  const decoded = decodeAck(payloadOf(packet), device);
  if ("malformed" in decoded) throw new Error(decoded.malformed);
  return decoded.frame.acked
    .flatMap(({ ranges }) => ranges)
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
}
