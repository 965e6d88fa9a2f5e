// What the single binary is to cost at most, on x64. Pure.
import type { BenchResult } from "../rounds.ts";
import { target, type Target } from "../targets-table.ts";

export interface FileSizes {
  readonly executableMb: number;
  /** NaN without one. */
  readonly archiveMb: number;
}

export function binaryTargets(
  { executableMb, archiveMb }: FileSizes,
  results: readonly BenchResult[],
): readonly Target[] {
  const device = results.flatMap(({ rows }) => rows).find(({ name }) => name === "Fogbank device")?.figures ?? {};
  const atMost = (name: string, bound: number, figure: number | undefined): Target =>
    target(name, `≤ ${bound}`, figure ?? Number.NaN, (value) => value <= bound);
  return [
    atMost("size of the executable, MB", 115, executableMb),
    atMost("size of its .tar.xz, MB", 30, archiveMb),
    atMost("CPU to READY of a device, ms", 140, device["cpuMedian"]),
    atMost("idle RSS of a device, MiB", 95, device["idleRss"]),
    atMost("of it anonymous, MiB", 30, device["idleAnonymous"]),
    atMost("RSS of a device after the load, MiB", 140, device["loadedRss"]),
  ];
}
