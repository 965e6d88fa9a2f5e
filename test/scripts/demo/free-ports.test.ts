import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createPortPicker, isFree, portMax, portMin } from "../../../scripts/demo/free-ports.ts";

test("ports are below those of outgoing connections, and never the same twice", async () => {
  const pickPort = createPortPicker();
  const ports: number[] = [];
  for (let i = 0; i < 20; i++) ports.push(await pickPort());
  expect(new Set(ports).size).toBe(20);
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(20_000);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test("a port that is taken is left out", async () => {
  const rolls = [0, 0, 0.5];
  const asked: number[] = [];
  const pickPort = createPortPicker({
    random: () => rolls.shift() ?? 0,
    isFree: async (port) => {
      asked.push(port);
      return port !== portMin;
    },
  });
  expect(await pickPort()).toBe(portMin + 6_000);
  expect(asked).toEqual([portMin, portMin + 6_000]);
});

test("a listener is noticed", async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  const found = await new Promise<number>((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
  const span = portMax - portMin + 1;
  // Chance that always leads to the taken port, wherever it is, and then to another.
  const rolls = [(found - portMin + 0.5) / span];
  const pickPort = createPortPicker({ random: () => rolls.shift() ?? Math.random(), isFree });
  expect(await pickPort()).not.toBe(found);
});

test("when nothing is free, it says so", async () => {
  const pickPort = createPortPicker({ random: Math.random, isFree: async () => false });
  await expect(pickPort()).rejects.toThrow("no free port from 20000 to 32000");
});
