import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { blockPorts, createPortPicker, isFree, portMin } from "../../../scripts/demo/free-ports.ts";

test("ports are below those of outgoing connections, and never the same twice, however many are asked for", async () => {
  const pickPort = createPortPicker();
  const ports: number[] = [];
  for (let i = 0; i < blockPorts + 20; i++) ports.push(await pickPort());
  expect(new Set(ports).size).toBe(blockPorts + 20);
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(20_000);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test("no two pickers pick from the same block, in one process or in several", async () => {
  const blocks = new Set<number>();
  for (let i = 0; i < 20; i++) blocks.add(Math.floor(((await createPortPicker()()) - portMin) / blockPorts));
  expect(blocks.size).toBe(20);
  for (const block of blocks) expect(await isFree(portMin + block * blockPorts)).toBe(false);
});

test("a block that is somebody's and a port that is taken are left out", async () => {
  const rolls = [0, 0.5];
  const asked: number[] = [];
  const claimed: number[] = [];
  const middle = portMin + 60 * blockPorts;
  const pickPort = createPortPicker({
    random: () => rolls.shift() ?? 0,
    isFree: async (port) => {
      asked.push(port);
      return port !== middle + 1;
    },
    claim: async (port) => {
      claimed.push(port);
      return port !== portMin;
    },
  });
  expect([await pickPort(), await pickPort()]).toEqual([middle + 2, middle + 3]);
  expect(asked).toEqual([middle + 1, middle + 2, middle + 3]);
  expect(claimed).toEqual([portMin, middle]);
});

test("a listener is noticed", async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  const found = await new Promise<number>((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
  expect(await isFree(found)).toBe(false);
});

test("when nothing is free, it says so", async () => {
  const nothing = { random: Math.random, isFree: async () => false, claim: async () => true };
  await expect(createPortPicker(nothing)()).rejects.toThrow("no free port from 20000 to 32000");
  const nowhere = { random: Math.random, isFree: async () => true, claim: async () => false };
  await expect(createPortPicker(nowhere)()).rejects.toThrow("no free port from 20000 to 32000");
});
