// What the client library promises across the death of a node: real processes, killed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect, type FogbankClient } from "../../client/client.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { startFaultProxy, type FaultProxy } from "../../scripts/torture/fault-proxy.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { linked } from "./call-tree.ts";

interface Pair {
  readonly cloud: NodeUnderTest;
  readonly device: NodeUnderTest;
  /** From the device up to the cloud. */
  readonly link: FaultProxy;
  /** A program at the device, over TCP or over WebSocket. */
  readonly atDevice: (transport?: "mqtt" | "ws") => Promise<FogbankClient>;
  readonly atCloud: () => Promise<FogbankClient>;
}

/** cloud-1 above device-1; neither runs yet. */
async function withPair(work: (pair: Pair) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-client-"));
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(startOrphanGuard());
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const add = async (name: string, settings: string): Promise<NodeUnderTest> => {
    const node = nodeUnderTest(folder, name, { mqtt: await pick(), http: await pick() }, settings, guard);
    stack.defer(async () => void (await node.end()));
    return node;
  };
  const cloud = await add("cloud-1", "level = cloud;");
  const link = stack.use(await startFaultProxy(cloud.mqttPort));
  const uplink = `uplink: { url = "mqtt://127.0.0.1:${link.port}"; };`;
  const device = await add("device-1", `level = device; ${uplink} sources: { host: { enabled = false; }; };`);
  const webSocketPort = await pick();
  const backoffMs = { first: 10, longest: 200 };
  const program = async (url: string): Promise<FogbankClient> => stack.use(await connect(url, { backoffMs }));
  await work({
    cloud,
    link,
    device: {
      ...device,
      start: () => device.start(`listen.mqtt=127.0.0.1:${device.mqttPort},ws://127.0.0.1:${webSocketPort}`),
    },
    atDevice: (transport = "mqtt") =>
      program(`${transport}://127.0.0.1:${transport === "ws" ? webSocketPort : device.mqttPort}`),
    atCloud: () => program(`mqtt://127.0.0.1:${cloud.mqttPort}`),
  });
}

test.each(["mqtt", "ws"] as const)(
  "[O1] what publish has resolved for is at the cloud after the node was killed; what waited meanwhile too: %s",
  (transport) =>
    withPair(async ({ cloud, device, atDevice }) => {
      await device.start();
      const client = await atDevice(transport);
      const published = Array.from({ length: 50 }, (_, index) => `before ${index}`);
      await Promise.all(published.map((text) => client.publish("/data/x", text)));
      await device.end("SIGKILL");
      await expect.poll(() => client.isConnected).toBe(false);
      const waiting = client.publish("/data/x", "meanwhile");
      await device.start();
      await waiting;
      await client.publish("/data/x", "after");
      await cloud.start();
      const stored = await eventually(
        () => cloud.data("device-1"),
        (lines) => lines.length >= published.length + 2,
      );
      const payloads = stored.map(({ payload = "" }) => payload);
      expect(payloads.toSorted()).toEqual([...published, "meanwhile", "after"].toSorted());
    }),
);

test.each([
  ["async", 1, { status: "failed", reason: "the node stopped while it ran" }],
  ["sync", 2, { status: "done", value: "run 2" }],
] as const)(
  "[T3] [J16.14] a node is killed while a program's function runs: %s, it ran %i times in all",
  (mode, times, result) =>
    withPair(async ({ cloud, device, link, atDevice, atCloud }) => {
      await cloud.start();
      await device.start();
      await linked(device, cloud);
      const program = await atDevice();
      const caller = await atCloud();
      const begun = Promise.withResolvers<void>();
      const lost: unknown[] = [];
      let ran = 0;
      await program.implement("work", async (_args, { signal }) => {
        if (++ran > 1) return `run ${ran}`;
        begun.resolve();
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        lost.push(signal.reason);
        return "of the first run";
      });
      const call = caller.call("work", null, { if: "level == 'device'", mode, ttl: 60 });
      await begun.promise;
      await device.end("SIGKILL");
      await expect.poll(() => lost).toMatchObject([{ code: "not-connected" }]);
      // When the device hears of the call again its program is there again: it would be refused otherwise.
      link.set({ type: "accept-and-drop" });
      await device.start();
      await expect.poll(() => program.isConnected).toBe(true);
      link.set({ type: "pass" });
      expect(await call).toMatchObject({ final: true, counts: { matched: 1 }, waiting: [] });
      expect((await call).results).toEqual([{ node: "device-1", ...result }]);
      expect(ran).toBe(times);
    }),
);
