// What `npm run services` has started, kept between its calls: one folder a service, with the server's data and one record.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Service, StartedService } from "./service.ts";

/** A process by its number and by when it started: the number alone may be somebody else's by now. */
interface StartedProcess {
  readonly pid: number;
  readonly startedAt: string;
}

export interface ServiceRecord {
  readonly url: string;
  readonly processes: readonly StartedProcess[];
}

const recordFile = "service.json";

export function recordOf(folder: string, { name }: Service): ServiceRecord | undefined {
  const file = join(folder, name, recordFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ServiceRecord) : undefined;
}

export function isRunning({ pid, startedAt }: StartedProcess): boolean {
  return startOf(pid) === startedAt;
}

/** Starts it, after what is left of a former one has been ended. */
export async function startRecorded(folder: string, service: Service): Promise<ServiceRecord> {
  stopRecorded(folder, service);
  const own = join(folder, service.name);
  mkdirSync(own, { recursive: true });
  const { url, pids }: StartedService = await service.start(own);
  const processes = pids.map((pid) => ({ pid, startedAt: startOf(pid) ?? "" }));
  const record = { url, processes };
  writeFileSync(join(own, recordFile), `${JSON.stringify(record, undefined, 2)}\n`);
  return record;
}

/** SIGKILL: the data is thrown away too. Answers how many processes there were to end. */
export function stopRecorded(folder: string, service: Service): number {
  const running = (recordOf(folder, service)?.processes ?? []).filter((one) => isRunning(one));
  for (const { pid } of running) process.kill(pid, "SIGKILL");
  rmSync(join(folder, service.name), { recursive: true, force: true, maxRetries: 5 });
  return running.length;
}

/** Field 22 of the process's stat, in ticks since the machine started; undefined when there is no such process, or it is a zombie. */
function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
