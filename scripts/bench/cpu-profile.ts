// Where the time of a process went, from the profiles that `node --cpu-prof` leaves behind.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  /** Microseconds before the sample of the same index. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  readonly selfMs: number;
}

/** The start of the process is left out. */
const skippedMs = 2000;
const linesShown = 12;
const idle = "(idle)";

/** Self time by `nameOf`, the largest first: the time between two samples counts for the earlier one. */
export function selfTimes(
  { nodes, samples, timeDeltas }: CpuProfile,
  nameOf: (frame: CallFrame) => string,
  fromMs: number,
): readonly SelfTime[] {
  const nameById = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const msByName = new Map<string, number>();
  let atMs = 0;
  samples.forEach((id, i) => {
    atMs += (timeDeltas[i] ?? 0) / 1000;
    const name = nameById.get(id) ?? "?";
    const selfMs = Math.max(0, timeDeltas[i + 1] ?? 0) / 1000;
    if (atMs >= fromMs) msByName.set(name, (msByName.get(name) ?? 0) + selfMs);
  });
  return [...msByName].map(([name, selfMs]) => ({ name, selfMs })).toSorted((a, b) => b.selfMs - a.selfMs);
}

/** One text per profile in `folder`, one profile per thread: where the thread was when it was not idle. */
export function summarizeProfiles(folder: string): readonly string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".cpuprofile"));
  return files.toSorted().flatMap((file) => {
    const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
    return [
      ...summarize(`${file}, by function`, selfTimes(profile, functionOf, skippedMs)),
      ...summarize(`${file}, by part`, selfTimes(profile, partOf, skippedMs)),
    ];
  });
}

function summarize(title: string, times: readonly SelfTime[]): readonly string[] {
  const busy = times.filter(({ name }) => name !== idle);
  const sum = (all: readonly SelfTime[]): number => all.reduce((total, { selfMs }) => total + selfMs, 0);
  const busyMs = sum(busy);
  const lines = busy
    .slice(0, linesShown)
    .map(({ name, selfMs }) => `${((100 * selfMs) / busyMs).toFixed(1).padStart(6)} %  ${name}`);
  return [`${title}: busy ${((100 * busyMs) / sum(times)).toFixed(0)} % of the time`, ...lines, ""];
}

/** `name file:line`; what runs outside JavaScript has a name only. */
export function functionOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${pathOf(url)}:${lineNumber + 1}`;
}

/** The package, the folder of ours, or Node. */
export function partOf({ functionName, url }: CallFrame): string {
  if (functionName === idle || functionName === "(garbage collector)") return functionName;
  if (url === "") return "native code";
  if (url.startsWith("node:")) return "Node's own JavaScript";
  return pathOf(url).split("/").slice(0, 2).join("/");
}

function pathOf(url: string): string {
  const inside = /\/(?:node_modules\/(?<module>.*)|(?<own>(?:agent|cloud|shared)\/.*))$/.exec(url)?.groups;
  return inside?.["module"] ?? inside?.["own"] ?? url;
}
