import { once } from "node:events";
import { createServer } from "node:net";
import { Aedes } from "aedes";
import { expect, test } from "vitest";
import { runLoad } from "../../../scripts/bench/load-run.ts";
import { NotSupported } from "../../../scripts/bench/mqtt-socket.ts";
import type { Qos } from "../../../scripts/bench/packets.ts";

async function startBroker(): Promise<AsyncDisposable & { readonly port: number }> {
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.close();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}

const flow = { topic: "bench/test", publishers: 3, outstanding: 5, payloadBytes: 64, subscribers: 2 };

test.each([0, 1, 2] as const)("at QoS %d every subscriber receives every message once", async (qos: Qos) => {
  await using broker = await startBroker();
  const order = { type: "load", port: broker.port, pids: [], pings: true } as const;
  const report = await runLoad({ ...order, flow: { ...flow, qos, topics: 4 }, until: { messages: 300 } });
  expect(report).toMatchObject({ published: 300, received: 600, lost: 0, duplicates: 0, overtaken: 0, gaps: 0 });
  expect(report.measured).toBe(qos === 0 ? 0 : 300);
  expect(report.arrivalMs.p50).toBeGreaterThan(0);
});

test("one in flight, and the next only when it was received", async () => {
  await using broker = await startBroker();
  const single = { ...flow, publishers: 1, outstanding: 1, subscribers: 1, backlogMax: 1 };
  const report = await runLoad({
    type: "load",
    port: broker.port,
    pids: [],
    flow: single,
    until: { warmUpMs: 0, measureMs: 100 },
  });
  expect(report.published).toBeGreaterThan(10);
  expect(report).toMatchObject({ lost: 0, duplicates: 0, gaps: 0 });
});

test("a paced flow beside a saturated one with a stalled subscriber is reported by itself", async () => {
  await using broker = await startBroker();
  const report = await runLoad({
    type: "load",
    port: broker.port,
    pids: [process.pid],
    flow: { ...flow, topic: "bench/stalled", subscribers: 1, isStalled: true },
    beside: { ...flow, topic: "bench/paced", perSecond: 200 },
    until: { warmUpMs: 50, measureMs: 200 },
  });
  expect(report.received).toBe(0);
  expect(report.beside?.received).toBeGreaterThan(0);
  expect(report.cpu).toHaveLength(1);
});

test("a broker without MQTT 5 is told from one that fails", async () => {
  await using broker = await startBroker();
  const order = { type: "load", port: broker.port, pids: [], protocol: 5, flow, until: { messages: 1 } } as const;
  await expect(runLoad(order)).rejects.toBeInstanceOf(NotSupported);
});

test("messages of QoS 0 that nobody receives are refused: nothing would bound them", async () => {
  const order = { type: "load", port: 1, pids: [], until: { messages: 1 } } as const;
  await expect(runLoad({ ...order, flow: { ...flow, qos: 0, subscribers: 0 } })).rejects.toThrow("nothing bounds");
});
