// A device whose disk has lost a piece of its backlog: it starts, hands on what is left, and the root knows what is not.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { eventually, nodeUnderTest } from "../../scripts/torture/node-under-test.ts";

const messages = 20_000;
const inFlight = 500;
const pageBytes = 4096;

/** Numbered messages at QoS 1, all acknowledged. */
async function publishAll(port: number): Promise<void> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", reconnectPeriod: 0 });
  const payload = "x".repeat(250);
  for (let sent = 0; sent < messages; sent += inFlight) {
    const batch = Array.from({ length: inFlight }, (_, index) => `${sent + index + 1} ${payload}`);
    await Promise.all(batch.map((text) => client.publishAsync("/data/x", text, { qos: 1 })));
  }
  await client.endAsync();
}

/** Zeros over some pages in the middle of the file. */
function damage(file: string): void {
  const bytes = readFileSync(file);
  const first = Math.floor(bytes.length / pageBytes / 3);
  bytes.fill(0, first * pageBytes, (first + 40) * pageBytes);
  writeFileSync(file, bytes);
}

test("[O1] [O3] pages of a backlog are gone: the rest arrives once, and the root names what is lost", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-salvage-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const cloud = nodeUnderTest(folder, "cloud-1", { mqtt: await pick(), http: await pick() }, 'level = "cloud";');
  const device = nodeUnderTest(
    folder,
    "device-1",
    { mqtt: await pick(), http: await pick() },
    `level = "device"; uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; }; sources: { host: { enabled = false; }; };`,
  );
  onTestFinished(async () => void (await cloud.end()));
  onTestFinished(async () => void (await device.end()));
  await device.start();
  await publishAll(device.mqttPort);
  const before = (await device.status()).node;
  await device.end("SIGKILL");
  damage(join(folder, "device-1", "fogbank.db"));

  await cloud.start();
  await device.start();
  const after = (await device.status()).node;
  expect(after.uuid).toBe(before.uuid);
  expect(after.epoch).not.toBe(before.epoch);
  const [account] = await eventually(
    async () => (await cloud.accounting("device-1")).filter(({ epoch }) => epoch === before.epoch),
    ([entry]) => entry !== undefined && entry.next === messages + 1 && entry.pending === 0,
  );
  const lost = account?.lost ?? 0;
  expect(account).toMatchObject({ stored: messages - lost, balanced: true });
  expect(lost).toBeGreaterThan(0);
  expect(lost).toBeLessThan(messages / 2);
  const named = (account?.lostRanges ?? []).flatMap(({ first, last, reason }) => {
    expect(reason).toBe("corrupt");
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  const arrived = (await cloud.data("device-1")).map(({ seq, payload }) => {
    expect(payload).toMatch(new RegExp(`^${seq} x{250}$`));
    return seq;
  });
  expect([...named, ...arrived].toSorted((a, b) => a - b)).toEqual(Array.from({ length: messages }, (_, at) => at + 1));
  const kept = readdirSync(join(folder, "device-1")).filter((name) => /^fogbank\.db\.damaged-\d{8}T/.test(name));
  expect(kept).not.toEqual([]);
  expect(readFileSync(device.logFile, "utf8")).toContain("the database was damaged");
});

test("[O3] pages of the document store are gone: the root names what it does not have any more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-salvage-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const pick = createPortPicker();
  const ports = { mqtt: await pick(), http: await pick() };
  const cloud = nodeUnderTest(folder, "cloud-1", ports, 'level = "cloud"; sources: { host: { enabled = false; }; };');
  onTestFinished(async () => void (await cloud.end()));
  await cloud.start();
  await publishAll(cloud.mqttPort);
  const { epoch } = (await cloud.status()).node;
  const accountOf = async () => (await cloud.accounting("cloud-1")).filter((entry) => entry.epoch === epoch);
  await eventually(accountOf, ([entry]) => entry?.stored === messages && entry.pending === 0);
  await cloud.end("SIGTERM"); // moves the log into the file
  damage(join(folder, "cloud-1", "documents.db"));

  await cloud.start();
  const [account] = await accountOf();
  const named = (account?.lostRanges ?? []).flatMap(({ first, last, reason }) => {
    expect(reason).toBe("corrupt");
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  expect(named.length).toBeGreaterThan(0);
  expect(named.length).toBeLessThan(messages / 2);
  expect(account).toMatchObject({ stored: messages - named.length, lost: named.length, balanced: true });
  const left = (await cloud.data("cloud-1")).map(({ seq }) => seq);
  expect([...named, ...left].toSorted((a, b) => a - b)).toEqual(Array.from({ length: messages }, (_, at) => at + 1));
});
