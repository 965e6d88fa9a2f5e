import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { createHostReader, parseNetworkBytes } from "#agent/sources/host-metrics.ts";
import type { Machine } from "#agent/sources/host-metrics.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  999999     100    0    0    0     0          0         0   999999     100    0    0    0     0       0          0
  eth0:    1000      10    0    0    0     0          0         0      500       5    0    0    0     0       0          0
 wlan0:2000 20 0 0 0 0 0 0 700 7 0 0 0 0 0 0
`;

interface FakeMachine extends Machine {
  files: Record<string, string>;
  times: { busyMs: number; totalMs: number };
}

function fakeMachine(): FakeMachine {
  return {
    files: {
      "/proc/net/dev": netDev,
      "/sys/class/thermal/thermal_zone0/temp": "41500\n",
      "/sys/class/thermal/thermal_zone1/temp": "",
    },
    times: { busyMs: 1000, totalMs: 10_000 },
    async readText(file) {
      const text = this.files[file];
      if (text === undefined) throw new Error(`no ${file}`);
      return text;
    },
    listNames: async () => ["cooling_device0", "thermal_zone0", "thermal_zone1", "thermal_zone2"],
    diskUsedPercent: async () => 62.5,
    cpuTimes() {
      return this.times;
    },
    loadAverage: () => 0.75,
    memoryBytes: () => ({ used: 300, total: 1000 }),
    uptimeSeconds: () => 77,
  };
}

const steady = [
  { metric: "cpu/load1m", v: 0.75, unit: "1" },
  { metric: "memory/used", v: 300, unit: "B" },
  { metric: "memory/total", v: 1000, unit: "B" },
  { metric: "disk/used", v: 62.5, unit: "%" },
  { metric: "temperature/0", v: 41.5, unit: "°C" },
  { metric: "uptime", v: 77, unit: "s" },
];

test("loads and rates are over the time between two readings", async () => {
  const clock = new FakeClock();
  const machine = fakeMachine();
  const read = createHostReader({ clock, dataDir: "/somewhere", machine });
  expect(await read()).toEqual(steady);
  await clock.advance(2000);
  machine.times = { busyMs: 1500, totalMs: 12_000 };
  machine.files["/proc/net/dev"] = netDev.replace("1000 ", "5000 ").replace(" 700 ", " 1700 ");
  const metrics = new Map((await read()).map((one) => [one.metric, one]));
  expect(metrics.get("cpu/load")).toEqual({ metric: "cpu/load", v: 25, unit: "%" });
  expect(metrics.get("network/rx")).toEqual({ metric: "network/rx", v: 2000, unit: "B/s" });
  expect(metrics.get("network/tx")).toEqual({ metric: "network/tx", v: 500, unit: "B/s" });
  expect(metrics.size).toBe(steady.length + 3);
});

test("counters that start anew give no rate, and the next reading does", async () => {
  const clock = new FakeClock();
  const machine = fakeMachine();
  const read = createHostReader({ clock, dataDir: "/somewhere", machine });
  await read();
  await clock.advance(1000);
  machine.files["/proc/net/dev"] = " eth0: 10 0 0 0 0 0 0 0 10 0 0 0 0 0 0 0";
  expect(await read()).toEqual(steady);
  await clock.advance(1000);
  machine.files["/proc/net/dev"] = " eth0: 30 0 0 0 0 0 0 0 40 0 0 0 0 0 0 0";
  const rates = (await read()).filter(({ metric }) => metric.startsWith("network/"));
  expect(rates.map(({ v }) => v)).toEqual([20, 30]);
});

test("what cannot be read is left out, and nothing else", async () => {
  const machine: Machine = {
    ...fakeMachine(),
    readText: () => Promise.reject(new Error("not on this system")),
    listNames: () => Promise.reject(new Error("not on this system")),
    diskUsedPercent: () => Promise.reject(new Error("gone")),
    loadAverage: () => Number.NaN,
    cpuTimes: () => {
      throw new Error("hidden");
    },
  };
  const read = createHostReader({ clock: new FakeClock(), dataDir: "/somewhere", machine });
  expect((await read()).map(({ metric }) => metric)).toEqual(["memory/used", "memory/total", "uptime"]);
});

test("network bytes are summed over all interfaces but loopback", () => {
  expect(parseNetworkBytes(netDev)).toEqual({ received: 3000, sent: 1200 });
  expect(parseNetworkBytes("    lo: 5 0 0 0 0 0 0 0 5 0 0 0 0 0 0 0\n")).toBeUndefined();
  expect(parseNetworkBytes("")).toBeUndefined();
  expect(parseNetworkBytes("eth0: many few\n eth1: 1 2 3\n")).toBeUndefined();
});

test("the real machine has memory, a disk and an uptime", async () => {
  const metrics = await createHostReader({ clock: new FakeClock(), dataDir: tmpdir() })();
  const byName = new Map(metrics.map(({ metric, v }) => [metric, v]));
  for (const name of ["memory/used", "memory/total", "uptime"]) expect(byName.get(name), name).toBeGreaterThan(0);
  expect(byName.get("memory/used")).toBeLessThan(byName.get("memory/total") ?? 0);
  expect(byName.get("disk/used")).toBeGreaterThanOrEqual(0);
  expect(byName.get("disk/used")).toBeLessThanOrEqual(100);
});
