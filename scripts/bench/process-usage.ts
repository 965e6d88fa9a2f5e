// What a process has cost so far, from /proc. Linux.
import { readFileSync } from "node:fs";

/** Linux tells processor time to programs in these, whatever the kernel counts in. */
const tickMs = 10;

/** Time on the clock that all processes of the machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** User and system time, in milliseconds; steps of 10. */
export function cpuMs(pid: number): number {
  return parseCpuMs(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

/** From the text of /proc/PID/stat, where the name may hold blanks and parentheses. */
export function parseCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

export interface MemoryMib {
  readonly resident: number;
  /** Resident, with the pages that several processes share divided among them. */
  readonly proportional: number;
  /** The part that is not backed by a file: heaps, stacks, buffers. */
  readonly anonymous: number;
}

export function memoryMib(pid: number): MemoryMib {
  return parseMemoryMib(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
}

/** From the text of /proc/PID/smaps_rollup. */
export function parseMemoryMib(rollup: string): MemoryMib {
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1] ?? Number.NaN) / 1024;
  return { resident: mib("Rss"), proportional: mib("Pss"), anonymous: mib("Anonymous") };
}

/** The most memory that the process ever had resident. */
export function peakMib(pid: number): number {
  return parsePeakMib(readFileSync(`/proc/${pid}/status`, "latin1"));
}

/** From the text of /proc/PID/status. */
export function parsePeakMib(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Time in which the machine's cores were not idle, all together, in milliseconds. What a hypervisor took is in it. */
export function machineBusyMs(): number {
  return parseBusyMs(readFileSync("/proc/stat", "latin1"));
}

/** From the text of /proc/stat. */
export function parseBusyMs(stat: string): number {
  const [user = NaN, nice = NaN, system = NaN, , , irq = NaN, softirq = NaN, steal = NaN] = stat
    .slice(0, stat.indexOf("\n"))
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * tickMs;
}

/** Starts to measure; the answer tells, for each process, the percentage of one core it has used since. */
export function startCpuMeter(pids: readonly number[]): () => readonly number[] {
  const startMs = monotonicMs();
  const before = pids.map(cpuMs);
  return () => {
    const wallMs = monotonicMs() - startMs;
    return pids.map((pid, i) => (100 * (cpuMs(pid) - (before[i] ?? 0))) / wallMs);
  };
}
