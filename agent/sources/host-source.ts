// Publishes the readings of its own machine, as any client would, and keeps a record of what was acknowledged.
//
//   wait for the next multiple of the interval --> read --> inject each --> verdict --> line in the record
//        ^                                                                                    |
//        +---- multiples that passed meanwhile are skipped, so that nothing piles up <--------+
import { open } from "node:fs/promises";
import { FogbankError } from "#shared/errors.ts";
import type { Bus } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { HostMetric } from "./host-metrics.ts";

export interface HostSourceDeps {
  readonly bus: Pick<Bus, "inject">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readMetrics: () => Promise<readonly HostMetric[]>;
  readonly openRecord?: (file: string) => Promise<RecordFile>;
}

export interface HostSourceConfig {
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** File that gets a line `time<TAB>topic<TAB>payload` for each acknowledged message. */
  readonly record?: string;
  /** Such as `/data/host`, without a slash at the end. */
  readonly topicPrefix: string;
}

/** Text that is only appended to. Disposing writes out what is left. */
export interface RecordFile extends AsyncDisposable {
  append(line: string): Promise<void>;
}

/** Disposing waits for the verdicts that are still out. */
export interface HostSource extends AsyncDisposable {
  counts(): HostSourceCounts;
}

export interface HostSourceCounts {
  readonly acknowledged: number;
  /** Not repeated: the next reading is fresher. */
  readonly refused: number;
}

/** The first reading goes out one interval after the start. Rejects with FOGBANK_DATA_DIR when the record cannot be opened. */
export async function startHostSource(deps: HostSourceDeps, config: HostSourceConfig): Promise<HostSource> {
  const { bus, clock, log } = deps;
  const counts = { acknowledged: 0, refused: 0 };
  if (!config.enabled) return { counts: () => counts, async [Symbol.asyncDispose]() {} };
  const record = config.record === undefined ? undefined : await (deps.openRecord ?? openRecordFile)(config.record);
  const stopping = new AbortController();
  const refusals = createChangeLog(log, "host readings refused", "host readings accepted again");
  const recordFaults = createChangeLog(log, "host record not written", "host record written again");

  const publish = async ({ metric, v, unit }: HostMetric, timeMs: number): Promise<Outcome> => {
    const topic = `${config.topicPrefix}/${metric}`;
    const text = JSON.stringify({ v: Math.round(v * 1000) / 1000, unit });
    const refusal = await injectReading(bus, topic, text, timeMs);
    if (refusal !== undefined) {
      counts.refused++;
      return { refusal };
    }
    counts.acknowledged++;
    const fault = record && (await appendTo(record, `${new Date(timeMs).toISOString()}\t${topic}\t${text}\n`));
    return fault === undefined ? {} : { fault };
  };

  const run = async (): Promise<void> => {
    let nextAtMs = clock.monotonic() + config.intervalMs;
    while (await waitUntil(nextAtMs, clock, stopping.signal)) {
      const metrics = await deps.readMetrics();
      const timeMs = clock.now();
      const outcomes = await Promise.all(metrics.map((metric) => publish(metric, timeMs)));
      refusals.note(outcomes.find(({ refusal }) => refusal !== undefined)?.refusal);
      recordFaults.note(outcomes.find(({ fault }) => fault !== undefined)?.fault);
      const behindMs = Math.max(0, clock.monotonic() - nextAtMs);
      nextAtMs += config.intervalMs * (Math.floor(behindMs / config.intervalMs) + 1);
    }
  };

  const running = run();
  const dispose = async (): Promise<void> => {
    stopping.abort();
    try {
      await running;
    } finally {
      await record?.[Symbol.asyncDispose]();
    }
  };
  let disposed: Promise<void> | undefined;
  return { counts: () => ({ ...counts }), [Symbol.asyncDispose]: () => (disposed ??= dispose()) };
}

/** How one reading ended: acknowledged and recorded, unless it says otherwise. */
interface Outcome {
  readonly refusal?: string;
  readonly fault?: string;
}

/** Opens `file` for appending. */
async function openRecordFile(file: string): Promise<RecordFile> {
  const handle = await open(file, "a").catch((error: unknown) => {
    const text = `could not open ${file}, the record of acknowledged readings: ${messageOf(error)}`;
    throw new FogbankError("FOGBANK_DATA_DIR", text, { cause: error });
  });
  let last: Promise<unknown> = Promise.resolve();
  return {
    append(line) {
      // One after the other, so that lines stay whole.
      const written = last.then(() => handle.appendFile(line));
      last = written.catch(() => undefined);
      return written;
    },
    async [Symbol.asyncDispose]() {
      await last;
      await handle.sync();
      await handle.close();
    },
  };
}

/** Whether the stream of readings goes on: false once stopped. */
async function waitUntil(atMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(Math.max(0, atMs - clock.monotonic()), signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}

/** Why the reading was not taken, or undefined once it is acknowledged. */
async function injectReading(
  bus: Pick<Bus, "inject">,
  topic: string,
  text: string,
  timeMs: number,
): Promise<string | undefined> {
  try {
    const verdict = await bus.inject({ topic, payload: new TextEncoder().encode(text), qos: 1, retain: false, timeMs });
    return verdict.type === "refuse" ? verdict.reason : undefined;
  } catch (error) {
    if (error instanceof FogbankError) return error.message;
    throw error;
  }
}

/** Why the line was not written, or undefined once it is. */
async function appendTo(record: RecordFile, line: string): Promise<string | undefined> {
  try {
    await record.append(line);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Writes one line when a fault begins or changes, and one when it is over. */
function createChangeLog(log: Logger, begins: string, ends: string): { note(fault: string | undefined): void } {
  let last: string | undefined;
  return {
    note(fault) {
      if (fault === last) return;
      last = fault;
      if (fault === undefined) log.info({}, ends);
      else log.warn({ reason: fault }, begins);
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
