// Devices below a cloud, real processes, each link through a fault proxy, and ears at both ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { startFaultProxy, type FaultProxy } from "../../scripts/torture/fault-proxy.ts";
import { nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";

/** What a node says on a topic. */
export interface Listening {
  /** All of it, as "topic payload", long payloads cut, without what a node tells of earlier states. */
  readonly heard: readonly string[];
  /** Resolves when something heard from now on contains `text`, with the milliseconds that it took. */
  next(text: string): Promise<number>;
  /** Resolves when the last thing heard contains `text`. */
  last(text: string): Promise<void>;
}

export interface FaultyLink {
  readonly cloud: NodeUnderTest;
  readonly device: NodeUnderTest;
  readonly proxy: FaultProxy;
  /** `/level/uplink` at the device. */
  readonly uplink: Listening;
  /** `/level/presence/<device>` and `/from/<device>/…` at the cloud. */
  readonly presence: Listening;
  readonly arrivals: Listening;
  /** Publishes at QoS 1 on the device's `/data/x`, in this order; resolves when all are acknowledged. */
  publish(payloads: readonly string[]): Promise<void>;
}

const lineCharsMax = 500;

/** As many devices as asked for, all connected to one cloud. Handed to `work`; everything has ended when this resolves. */
export async function withFaultyLinks(
  count: number,
  work: (links: readonly FaultyLink[]) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-link-"));
  await using stack = new AsyncDisposableStack();
  // A test that runs into its time-out does not come to its end: its nodes then die with this process.
  const guard = stack.use(startOrphanGuard());
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const cloud = nodeUnderTest(folder, "cloud-1", { mqtt: await pick(), http: await pick() }, "level = cloud;", guard);
  stack.defer(() => ended(cloud));
  await cloud.start();
  const links: FaultyLink[] = [];
  for (let number = 1; number <= count; number++) {
    const proxy = stack.use(await startFaultProxy(cloud.mqttPort));
    const settings = `level = device; uplink: { url = "mqtt://127.0.0.1:${proxy.port}"; }; sources: { host: { enabled = false; }; };`;
    const ports = { mqtt: await pick(), http: await pick() };
    const device = nodeUnderTest(folder, `device-${number}`, ports, settings, guard);
    stack.defer(() => ended(device));
    links.push(await connected(cloud, device, proxy, stack));
  }
  await work(links);
}

export async function withFaultyLink(work: (link: FaultyLink) => Promise<void>): Promise<void> {
  await withFaultyLinks(1, async ([link]) => {
    if (link !== undefined) await work(link);
  });
}

export async function ended(node: NodeUnderTest): Promise<void> {
  await node.end();
}

async function connected(
  cloud: NodeUnderTest,
  device: NodeUnderTest,
  proxy: FaultProxy,
  stack: AsyncDisposableStack,
): Promise<FaultyLink> {
  const listenAt = async (node: NodeUnderTest, filter: string): Promise<Listening> =>
    listen(await clientOf(node.mqttPort, stack), filter);
  const presence = await listenAt(cloud, `/level/presence/${device.name}`);
  const arrivals = await listenAt(cloud, `/from/${device.name}/#`);
  await device.start();
  const uplink = await listenAt(device, "/level/uplink");
  await uplink.last('"up"');
  const sensor = await clientOf(device.mqttPort, stack);
  return {
    cloud,
    device,
    proxy,
    uplink,
    presence,
    arrivals,
    async publish(payloads) {
      await Promise.all(payloads.map((payload) => sensor.publishAsync("/data/x", payload, { qos: 1 })));
    },
  };
}

export async function clientOf(port: number, stack: AsyncDisposableStack): Promise<MqttClient> {
  const options = { host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: 4, reconnectPeriod: 0 } as const;
  const client = (await connectAsync(options)).on("error", () => undefined);
  stack.defer(() => void client.end(true));
  return client;
}

export async function listen(client: MqttClient, filter: string): Promise<Listening> {
  const heard: string[] = [];
  const waiting = new Set<(line: string) => void>();
  client.on("message", (topic, payload) => {
    const line = `${topic} ${withoutHistory(payload.toString()).slice(0, lineCharsMax)}`;
    heard.push(line);
    for (const look of waiting) look(line);
  });
  await client.subscribeAsync(filter, { qos: 1 });
  const next = (text: string): Promise<number> => {
    const startMs = performance.now();
    return new Promise((resolve) => {
      const look = (line: string): void => {
        if (!line.includes(text)) return;
        waiting.delete(look);
        resolve(performance.now() - startMs);
      };
      waiting.add(look);
    });
  };
  return {
    heard,
    next,
    async last(text) {
      if (heard.at(-1)?.includes(text) !== true) await next(text);
    },
  };
}

function withoutHistory(payload: string): string {
  if (!payload.includes('"history":')) return payload;
  const { history: _, ...body } = JSON.parse(payload) as { readonly history: unknown };
  return JSON.stringify(body);
}
