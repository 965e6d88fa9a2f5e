// Gathers the evidence for the exact count: the devices' own records, the cloud's rows, the cloud's ledger.
import { setTimeout as sleep } from "node:timers/promises";
import { countDevice, type DeviceCount } from "./accounting.ts";
import type { DemoTree } from "./demo-tree.ts";
import { fetchLedger, fetchStoredRows } from "./node-api.ts";
import type { NodeProcess } from "./node-process.ts";
import { readRecord } from "./record-file.ts";

/** When the devices have stopped and everything has arrived. */
export async function countAtRest(tree: DemoTree): Promise<readonly DeviceCount[]> {
  const port = cloudPort(tree);
  return perDevice(tree, async (device) => {
    const { name, recordFile } = device.plan;
    const [recorded, rows, ledger] = [
      await readRecord(recordFile),
      await fetchStoredRows(port, name),
      await fetchLedger(port, name),
    ];
    return countDevice({ device: name, recorded, rows, ledger, wasKilled: device.wasKilled() });
  });
}

/**
 * While the devices publish. `recorded` are their records, read before everything that waited had arrived: all of that must be
 * there, and what is there beyond it must stand in the records afterwards.
 */
export async function countInFlight(
  tree: DemoTree,
  recorded: ReadonlyMap<string, readonly string[]>,
): Promise<readonly DeviceCount[]> {
  const port = cloudPort(tree);
  return perDevice(tree, async (device) => {
    const { name, recordFile } = device.plan;
    const rows = await fetchStoredRows(port, name);
    const wasKilled = device.wasKilled();
    for (let tries = 1; ; tries++) {
      const recordedLater = await readRecord(recordFile);
      const count = countDevice({ device: name, recorded: recorded.get(name) ?? [], recordedLater, rows, wasKilled });
      // A message can be stored a moment before the device has written it down.
      if (count.unrecorded === 0 || tries === writeDownTries) return count;
      await sleep(writeDownMs);
    }
  });
}

export async function readRecords(tree: DemoTree): Promise<ReadonlyMap<string, readonly string[]>> {
  const records = new Map<string, readonly string[]>();
  for (const { plan } of tree.devices) records.set(plan.name, await readRecord(plan.recordFile));
  return records;
}

const writeDownMs = 100;
const writeDownTries = 20;

/** One after the other: only one device's messages are in memory. */
async function perDevice(
  tree: DemoTree,
  count: (device: NodeProcess) => Promise<DeviceCount>,
): Promise<readonly DeviceCount[]> {
  const counts: DeviceCount[] = [];
  for (const device of tree.devices) counts.push(await count(device));
  return counts;
}

function cloudPort({ cloud }: DemoTree): number {
  const ports = cloud.ports();
  if (ports === undefined) throw new Error("the cloud has not been started");
  return ports.http;
}
