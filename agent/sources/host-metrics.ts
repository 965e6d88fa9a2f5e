// Readings of the machine a node runs on. What a machine does not have, or what cannot be read, is left out of the list.
import { readdir, readFile, statfs } from "node:fs/promises";
import { cpus, freemem, loadavg, totalmem, uptime } from "node:os";
import type { Clock } from "#shared/system/clock.ts";

export interface HostMetric {
  /** Levels of a topic, such as `cpu/load`. */
  readonly metric: string;
  readonly v: number;
  readonly unit: string;
}

export interface HostReaderDeps {
  readonly clock: Pick<Clock, "monotonic">;
  /** The directory whose file system `disk/used` is about. */
  readonly dataDir: string;
  readonly machine?: Machine;
}

/** Where the readings come from: the real machine unless a test hands in another. */
export interface Machine {
  readText(file: string): Promise<string>;
  listNames(directory: string): Promise<readonly string[]>;
  diskUsedPercent(directory: string): Promise<number>;
  /** Milliseconds since the start of the machine, summed over its processors. */
  cpuTimes(): CpuTimes;
  loadAverage(): number;
  memoryBytes(): { readonly used: number; readonly total: number };
  uptimeSeconds(): number;
}

export interface CpuTimes {
  readonly busyMs: number;
  readonly totalMs: number;
}

export interface NetworkBytes {
  readonly received: number;
  readonly sent: number;
}

/** Answers a function that reads all metrics. Loads and rates are over the time since the reading before; the first one has none. */
export function createHostReader(deps: HostReaderDeps): () => Promise<readonly HostMetric[]> {
  const machine = deps.machine ?? realMachine;
  const readers: readonly (() => MaybeLater)[] = [
    createCpuReader(machine),
    () => [{ metric: "cpu/load1m", v: machine.loadAverage(), unit: "1" }],
    () => memoryMetrics(machine),
    async () => [{ metric: "disk/used", v: await machine.diskUsedPercent(deps.dataDir), unit: "%" }],
    createNetworkReader(machine, deps.clock),
    () => temperatureMetrics(machine),
    () => [{ metric: "uptime", v: machine.uptimeSeconds(), unit: "s" }],
  ];
  return async () => {
    const outcomes = await Promise.allSettled(readers.map(read));
    const metrics = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
    return metrics.filter(({ v }) => Number.isFinite(v));
  };
}

/** Sums the bytes of every interface but loopback in the text of /proc/net/dev; undefined where there is none. */
export function parseNetworkBytes(text: string): NetworkBytes | undefined {
  let sum: NetworkBytes | undefined;
  for (const line of text.split("\n")) {
    const [, name, fields] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || fields === undefined || name === "lo") continue;
    const counters = fields.trim().split(/\s+/).map(Number);
    const [received, sent] = [counters[0], counters[8]];
    if (received === undefined || sent === undefined || !Number.isFinite(received + sent)) continue;
    sum = { received: (sum?.received ?? 0) + received, sent: (sum?.sent ?? 0) + sent };
  }
  return sum;
}

/** A reader that throws at once is a rejection, like one that does so later. */
async function read(reader: () => MaybeLater): Promise<readonly HostMetric[]> {
  return await reader();
}

type MaybeLater = readonly HostMetric[] | Promise<readonly HostMetric[]>;

const thermalDirectory = "/sys/class/thermal";

function createCpuReader(machine: Machine): () => readonly HostMetric[] {
  let before: CpuTimes | undefined;
  return () => {
    const now = machine.cpuTimes();
    const last = before;
    before = now;
    if (last === undefined || now.totalMs <= last.totalMs) return [];
    const share = (now.busyMs - last.busyMs) / (now.totalMs - last.totalMs);
    return [{ metric: "cpu/load", v: 100 * Math.min(1, Math.max(0, share)), unit: "%" }];
  };
}

function createNetworkReader(machine: Machine, clock: Pick<Clock, "monotonic">): () => Promise<readonly HostMetric[]> {
  let before: (NetworkBytes & { readonly atMs: number }) | undefined;
  return async () => {
    const bytes = parseNetworkBytes(await machine.readText("/proc/net/dev"));
    const atMs = clock.monotonic();
    const last = before;
    before = bytes && { ...bytes, atMs };
    if (bytes === undefined || last === undefined || atMs <= last.atMs) return [];
    const seconds = (atMs - last.atMs) / 1000;
    const rates = [
      { metric: "network/rx", v: (bytes.received - last.received) / seconds, unit: "B/s" },
      { metric: "network/tx", v: (bytes.sent - last.sent) / seconds, unit: "B/s" },
    ];
    // An interface that went away took its counts with it: the next reading has a rate again.
    return rates.filter(({ v }) => v >= 0);
  };
}

function memoryMetrics(machine: Machine): readonly HostMetric[] {
  const { used, total } = machine.memoryBytes();
  return [
    { metric: "memory/used", v: used, unit: "B" },
    { metric: "memory/total", v: total, unit: "B" },
  ];
}

async function temperatureMetrics(machine: Machine): Promise<readonly HostMetric[]> {
  const zones = (await machine.listNames(thermalDirectory)).filter((name) => /^thermal_zone\d+$/.test(name));
  const readings = zones.map(async (zone): Promise<readonly HostMetric[]> => {
    try {
      const text = (await machine.readText(`${thermalDirectory}/${zone}/temp`)).trim();
      if (!/^-?\d+$/.test(text)) return [];
      return [{ metric: `temperature/${zone.slice("thermal_zone".length)}`, v: Number(text) / 1000, unit: "°C" }];
    } catch {
      return []; // a sensor that is switched off answers with an error, the others still count
    }
  });
  return (await Promise.all(readings)).flat();
}

const realMachine: Machine = {
  readText: (file) => readFile(file, "utf8"),
  listNames: (directory) => readdir(directory),
  async diskUsedPercent(directory) {
    const { blocks, bfree, bavail } = await statfs(directory);
    const used = blocks - bfree;
    return (100 * used) / (used + bavail); // of what an ordinary user can fill, as df shows it
  },
  cpuTimes() {
    let [busyMs, totalMs] = [0, 0];
    for (const { times } of cpus()) {
      const activeMs = times.user + times.nice + times.sys + times.irq;
      busyMs += activeMs;
      totalMs += activeMs + times.idle;
    }
    return { busyMs, totalMs };
  },
  loadAverage: () => (process.platform === "win32" ? Number.NaN : (loadavg()[0] ?? Number.NaN)),
  memoryBytes: () => ({ used: totalmem() - freemem(), total: totalmem() }),
  uptimeSeconds: () => uptime(),
};
