// A load that every broker gets in turn, and how it becomes cases of a benchmark.
import { setTimeout as sleep } from "node:timers/promises";
import { inFreshFolder, type BenchCase, type BenchContext, type Benchmark, type Figures } from "../benchmark.ts";
import { NotSupported } from "../mqtt-socket.ts";
import type { Column } from "../table.ts";
import type { BrokerKind, BrokerName, BrokerPlan, RunningBroker } from "./broker-kind.ts";

export interface BrokerCase extends Pick<BrokerPlan, "windowMax" | "syncDelayMs"> {
  readonly name: string;
  /** Default all. */
  readonly brokers?: readonly BrokerName[];
  measure(broker: RunningBroker, context: BenchContext): Promise<Figures>;
}

export interface BrokerGroup {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly cases: readonly BrokerCase[];
}

const runMsMax = 60_000;

/** Between the name of a case and that of the broker. */
export const nameSeparator = " · ";

/** Each case becomes one for each of its brokers. */
export function toBenchmark(group: BrokerGroup, kinds: readonly BrokerKind[], isAclOn: boolean): Benchmark {
  const { name, title, columns } = group;
  const cases = group.cases.flatMap((load) =>
    kinds
      .filter((kind) => load.brokers?.includes(kind.name) ?? true)
      .map((kind) => ({ name: `${load.name}${nameSeparator}${kind.name}`, run: runner(load, kind, isAclOn) })),
  );
  return { name, title, columns, cases };
}

/** One run always answers one row: what a broker cannot do is no reason to measure nothing else. */
function runner(load: BrokerCase, kind: BrokerKind, isAclOn: boolean): BenchCase["run"] {
  const name = `${load.name}${nameSeparator}${kind.name}`;
  return (context) =>
    inFreshFolder(context, async (folder) => {
      try {
        const { windowMax, syncDelayMs } = load;
        const plan: BrokerPlan = {
          folder,
          isAclOn,
          ...(windowMax === undefined ? {} : { windowMax }),
          ...(syncDelayMs === undefined ? {} : { syncDelayMs }),
        };
        return [{ name, figures: await runOnce(await kind.start(context.nodeDeps, plan), load, context) }];
      } catch (error) {
        return [{ name, figures: {}, note: noteOf(error) }];
      }
    });
}

async function runOnce(broker: RunningBroker, load: BrokerCase, context: BenchContext): Promise<Figures> {
  const measured = load.measure(broker, context);
  measured.catch(() => undefined);
  const late = new AbortController();
  try {
    const timeLimit = sleep(runMsMax + 3 * context.measureMs, undefined, { signal: late.signal }).then(() => {
      throw new Error("the run did not end in time");
    });
    timeLimit.catch(() => undefined);
    return await Promise.race([measured, timeLimit]);
  } finally {
    late.abort();
    // Without its broker the generator gives up, and is free for the next run.
    await broker[Symbol.asyncDispose]();
    await measured.catch(() => undefined);
  }
}

/** Behind a row without figures. */
export function noteOf(error: unknown): string {
  const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return error instanceof NotSupported ? `not supported: ${first}` : `failed: ${first}`;
}
