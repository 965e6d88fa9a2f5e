// A disk that is really full: a small file system of its own. Needs the right to mount one (root, or a user namespace made beforehand).
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, test } from "vitest";
import { connect, FogbankClientError, type CallReport, type FogbankClient } from "../../client/client.ts";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { linked, seen } from "./call-tree.ts";

const mib = 1024 * 1024;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: a small file system can only be mounted by root");

/** Its own limit is larger than the disk: the disk is what ends it. */
const largerThanTheDisk = `sources: { host: { enabled = no; }; }; journal: { max-bytes = ${64 * mib}; };`;

/** Mounts a file system of `bytes` for as long as `work` takes. */
async function onSmallDisk(bytes: number, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder]);
  try {
    await work(folder);
  } finally {
    execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true });
  }
}

/** Publishes until a publish is refused, or `most` times; answers how many were acknowledged. */
async function publishUntilRefused(port: number, payload: Buffer, most = Infinity): Promise<number> {
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    protocol: "mqtt",
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  client.on("error", () => undefined);
  const closed = new Promise<"closed">((resolve) => client.once("close", () => resolve("closed")));
  let acknowledged = 0;
  while (acknowledged < most) {
    const published = client.publishAsync("/data/x", payload, { qos: 1 }).then(
      () => "acknowledged" as const,
      () => "closed" as const,
    );
    if ((await Promise.race([published, closed])) === "closed") break;
    acknowledged++;
  }
  client.end(true);
  return acknowledged;
}

async function publishOnce(port: number): Promise<void> {
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    protocol: "mqtt",
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
  try {
    await client.publishAsync("/data/x", "small", { qos: 1 });
  } finally {
    client.end(true);
  }
}

async function readiness(node: NodeUnderTest): Promise<number> {
  return (await fetch(`http://127.0.0.1:${node.httpPort}/readyz`)).status;
}

test.skipIf(!isRoot).each([
  ["the node's own data", 0],
  ["somebody else's file", 18 * mib],
])("a disk filled by %s: refused, kept, drained, recovered, also across kill -9", async (_who, fillerBytes) => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-full-"));
  const pick = createPortPicker();
  const ports = async () => ({ mqtt: await pick(), http: await pick() });
  const cloud = nodeUnderTest(folder, "cloud-1", await ports(), "level = cloud;");
  try {
    await onSmallDisk(24 * mib, async (small) => {
      const uplink = `uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`;
      const settings = `level = device; ${uplink} ${largerThanTheDisk} streams = ( { name = "data"; filters = "/data/#"; policy = "newest"; } );`;
      const device = nodeUnderTest(small, "device-1", await ports(), settings);
      const filler = join(small, "filler");
      try {
        await device.start();
        await publishOnce(device.mqttPort);
        if (fillerBytes > 0) writeFileSync(filler, Buffer.alloc(Math.min(fillerBytes, freeBytes(small) - 512 * 1024)));
        const acknowledged = 1 + (await publishUntilRefused(device.mqttPort, Buffer.alloc(100_000, "x")));
        expect(await readiness(device)).toBe(503);
        expect(await device.accounting("device-1")).toMatchObject([
          { next: acknowledged + 1, here: acknowledged, balanced: true },
        ]);

        await device.end();
        await device.start();
        expect(await device.accounting("device-1")).toMatchObject([
          { next: acknowledged + 1, here: acknowledged, balanced: true },
        ]);

        await cloud.start();
        await eventually(
          () => cloud.accounting("device-1"),
          ([row]) => row?.stored === acknowledged && row.pending === 0,
        );
        await eventually(
          () => device.accounting("device-1"),
          ([row]) => row?.pending === 0,
        );
        rmSync(filler, { force: true });
        await eventually(
          () => publishOnce(device.mqttPort).then(() => true),
          () => true,
        );
        await eventually(
          () => readiness(device),
          (status) => status === 200,
        );
        const stored = await eventually(
          () => cloud.data("device-1"),
          (rows) => rows.length === acknowledged + 1,
        );
        expect(new Set(stored.map(({ seq }) => seq)).size).toBe(acknowledged + 1);
      } finally {
        await device.end();
      }
    });
  } finally {
    await cloud.end();
    rmSync(folder, { recursive: true, force: true });
  }
});

test.skipIf(!isRoot).each([
  ["the node's own data", 0],
  ["somebody else's file", 14 * mib],
])(
  "[O1] a disk filled by %s: the oldest give way within the file, and above each acknowledged message is stored or named as lost",
  async (_who, fillerBytes) => {
    const folder = mkdtempSync(join(tmpdir(), "fogbank-full-"));
    const pick = createPortPicker();
    const ports = async () => ({ mqtt: await pick(), http: await pick() });
    const cloud = nodeUnderTest(folder, "cloud-1", await ports(), "level = cloud;");
    try {
      await onSmallDisk(24 * mib, async (small) => {
        const uplink = `uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`;
        const device = nodeUnderTest(
          small,
          "device-1",
          await ports(),
          `level = device; ${uplink} ${largerThanTheDisk}`,
        );
        const filler = join(small, "filler");
        const payload = Buffer.alloc(100_000, "x");
        try {
          await device.start();
          let acknowledged = await publishUntilRefused(device.mqttPort, payload, 40);
          if (fillerBytes > 0)
            writeFileSync(filler, Buffer.alloc(Math.min(fillerBytes, freeBytes(small) - 512 * 1024)));
          acknowledged += await publishUntilRefused(device.mqttPort, payload, 300);
          expect(acknowledged).toBe(340);
          expect(await readiness(device)).toBe(200);
          const [full] = await device.accounting("device-1");
          expect(full).toMatchObject({ next: 341, balanced: true, lost: 340 - (full?.here ?? 0) });
          expect(full?.lost).toBeGreaterThan(100);
          expect(full?.here).toBeGreaterThan(10);

          await device.end();
          await device.start();
          expect(await publishUntilRefused(device.mqttPort, payload, 20)).toBe(20);

          await cloud.start();
          const [root] = await eventually(
            () => cloud.accounting("device-1"),
            ([row]) => row?.next === 361 && row.pending === 0,
          );
          expect(root).toMatchObject({ stored: 360 - (root?.lost ?? 0), balanced: true });
          const stored = (await cloud.data("device-1")).map(({ seq }) => seq);
          expect(new Set(stored).size).toBe(root?.stored);
          const lost = root?.lostRanges.flatMap(({ first, last }) =>
            Array.from({ length: last - first + 1 }, (_, index) => first + index),
          );
          expect([...stored, ...(lost ?? [])].toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: 360 }, (_, index) => index + 1),
          );
          rmSync(filler, { force: true });
          await publishOnce(device.mqttPort);
        } finally {
          await device.end();
        }
      });
    } finally {
      await cloud.end();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

/** A call for whoever is away: its final report, or the code and message of its refusal. */
interface Call {
  readonly isKept: boolean;
  readonly final: Promise<CallReport | string>;
}

/** Resolves when the node says that it waits for the device, or why it does not. */
async function callAbsent(caller: FogbankClient): Promise<Call> {
  const kept = Promise.withResolvers<boolean>();
  const options = { if: "level == 'device'", ttl: 600 };
  const onProgress = ({ waiting }: CallReport): void => {
    if (waiting.some(({ node, at }) => node === "device-1" && at === "fog-1")) kept.resolve(true);
  };
  const final = caller
    .call("ping", "x".repeat(32_000), { ...options, onProgress })
    .catch((error: unknown) =>
      error instanceof FogbankClientError ? `${error.code}: ${error.message}` : String(error),
    );
  void final.then(() => kept.resolve(false));
  return { isKept: await kept.promise, final };
}

test.skipIf(!isRoot)(
  "[T3] [T5] [J16.14] calls on a full disk: refused with the reason, none that was kept is lost by kill -9, and then new ones are taken",
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "fogbank-full-"));
    const pick = createPortPicker();
    const ports = async () => ({ mqtt: await pick(), http: await pick() });
    try {
      await onSmallDisk(24 * mib, async (small) => {
        const streams = `streams = ( { name = "data"; filters = "/data/#"; policy = "newest"; } );`;
        const fog = nodeUnderTest(small, "fog-1", await ports(), `level = fog; ${largerThanTheDisk} ${streams}`);
        const uplink = `uplink: { url = "mqtt://127.0.0.1:${fog.mqttPort}"; };`;
        const settings = `level = device; ${uplink} sources: { host: { enabled = no; }; };`;
        const device = nodeUnderTest(folder, "device-1", await ports(), settings);
        const away = async (): Promise<unknown> => {
          await device.end();
          return eventually(
            () => seen(device, fog),
            (state) => state === "lost",
          );
        };
        await using stack = new AsyncDisposableStack();
        for (const node of [fog, device]) {
          stack.defer(async () => void (await node.end()));
          await node.start();
        }
        await linked(device, fog);
        await away();
        const backoffMs = { first: 10, longest: 200 };
        const caller = stack.use(await connect(`mqtt://127.0.0.1:${fog.mqttPort}`, { backoffMs }));
        writeFileSync(join(small, "filler"), Buffer.alloc(Math.min(14 * mib, freeBytes(small) - 512 * 1024)));
        await publishUntilRefused(fog.mqttPort, Buffer.alloc(100_000, "x"));
        const calls: Call[] = [];
        while (calls.length < 200 && calls.at(-1)?.isKept !== false) calls.push(await callAbsent(caller));
        const refused = calls.pop();
        expect(await refused?.final).toMatch(/^refused: .*could not be made durable \(FOGBANK_STORE_FULL\)/);
        expect(calls.length).toBeGreaterThan(0);

        await fog.end();
        await fog.start();
        await device.start();
        for (const { final } of calls)
          expect(await final).toMatchObject({
            counts: { matched: 1, done: 1 },
            results: [{ node: "device-1", status: "done" }],
          });
        await away();
        expect((await callAbsent(caller)).isKept).toBe(true);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

function freeBytes(folder: string): number {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

test.skipIf(!isRoot)(
  "[O9] killed -9 before another program fills the disk, a node starts on what it has set aside, and drains",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "fogbank-full-"));
    const pick = createPortPicker();
    const ports = async () => ({ mqtt: await pick(), http: await pick() });
    const cloud = nodeUnderTest(folder, "cloud-1", await ports(), "level = cloud;");
    try {
      await onSmallDisk(24 * mib, async (small) => {
        const uplink = `uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`;
        const device = nodeUnderTest(
          small,
          "device-1",
          await ports(),
          `level = device; ${uplink} ${largerThanTheDisk}`,
        );
        try {
          await device.start();
          for (let count = 0; count < 3; count++) await publishOnce(device.mqttPort);
          await device.end("SIGKILL");
          fillUp(join(small, "filler"));
          expect(freeBytes(small)).toBe(0);
          await device.start();
          await cloud.start();
          await eventually(
            () => cloud.accounting("device-1"),
            ([row]) => row?.stored === 3 && row.pending === 0,
          );
        } finally {
          await device.end("SIGKILL");
        }
      });
    } finally {
      await cloud.end("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  },
);

/** Writes until the disk has no byte left. */
function fillUp(file: string): void {
  const descriptor = openSync(file, "w");
  try {
    for (const bytes of [mib, 4096, 1]) {
      try {
        while (writeSync(descriptor, Buffer.alloc(bytes)) > 0);
      } catch {
        // Full, for pieces of this size.
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
