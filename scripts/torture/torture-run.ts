// One torture from start to verdict: tree up, publishers and workloads on, faults, all whole again, drain, judgement.
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { judgeCast, startCast, stopCast, type Cast } from "./cast.ts";
import { drained } from "./drain.ts";
import { cutFault } from "./faults/cut.ts";
import { delayFault } from "./faults/delay.ts";
import { strikeAtRandom, type Strikes } from "./faults/fault.ts";
import { fullJournalFault } from "./faults/full-journal.ts";
import { killFault, type Kills } from "./faults/kill.ts";
import { resetFault } from "./faults/reset.ts";
import { silenceFault } from "./faults/silence.ts";
import { throttleFault } from "./faults/throttle.ts";
import { watchLedgers, type LedgerWatch } from "./ledger-watch.ts";
import { seeded } from "./seeded.ts";
import { troublesOf } from "./troubles.ts";
import { startTortureTree } from "./torture-tree.ts";
import type { Workload } from "./workload.ts";

export interface TortureOptions {
  /** For databases, configurations and logs; exists. */
  readonly folder: string;
  readonly seed: number;
  /** How long faults strike. */
  readonly seconds: number;
  /** Whether links break too, besides the processes. */
  readonly hasLinkFaults: boolean;
  readonly workloads: readonly Workload[];
  readonly guard?: OrphanGuard;
  readonly signal: AbortSignal;
  /** Hears a line at each step. */
  readonly say: (line: string) => void;
}

export interface TortureReport {
  readonly kills: Kills;
  readonly strikes: Strikes;
  /** How often each patient publisher was told that there is no room. */
  readonly refusals: readonly { readonly publisher: string; readonly count: number }[];
  /** Phases in which all of them were. */
  readonly timesFull: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly ledgerSamples: number;
  readonly handOnChecks: number;
  /** Undefined when it did not drain. */
  readonly drainMs: number | undefined;
  readonly remarks: readonly string[];
  /** What is wrong; nothing when the tree survived. */
  readonly faults: readonly string[];
}

const linkFaults = [resetFault, silenceFault, delayFault, throttleFault, cutFault];

export async function runTorture(options: TortureOptions): Promise<TortureReport> {
  const { folder, seed, seconds, hasLinkFaults, workloads, guard, signal, say } = options;
  const random = seeded(seed);
  await using tree = await startTortureTree(folder, guard, hasLinkFaults);
  const cast = startCast(tree, random);
  const watch = watchLedgers(tree);
  for (const workload of workloads) await workload.start(tree, random.fork(workload.name));
  const links = hasLinkFaults ? linkFaults : [];
  const kill = killFault();
  const fullJournal = fullJournalFault(cast.patient);
  say(
    `${tree.members.length} processes up: for ${seconds} s one is killed every 300 to 600 ms, and ${hasLinkFaults ? "links break" : "links hold"}`,
  );
  const over = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  const strikes = await strikeAtRandom([kill, fullJournal, ...links], tree, random.fork("faults"), over);
  const faults: string[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  await attempt(() => tree.allUp());
  for (const workload of workloads) await attempt(() => workload.stop());
  await stopCast(cast);
  say("everything is up and whole again: draining");
  const drainMs = await attempt(() => drained(tree));
  await watch.stop();
  const stored = await attempt(() => judgeCast(tree, cast, faults));
  const remarks: string[] = [];
  for (const workload of workloads) {
    const checked = await attempt(() => workload.check(tree));
    faults.push(...(checked?.faults ?? []));
    remarks.push(...(checked?.remarks ?? []));
  }
  remarks.push(...(await troublesOf(tree.members.map(({ node }) => node))));
  const counts = { kills: kill.kills(), strikes, timesFull: fullJournal.filled(), ...countsOf(cast, watch) };
  return { ...counts, drainMs, stored: stored ?? 0, remarks, faults: [...watch.faults, ...faults] };
}

function countsOf(
  { counting, patient }: Cast,
  watch: LedgerWatch,
): Pick<TortureReport, "refusals" | "sent" | "acknowledged" | "duplicates" | "ledgerSamples" | "handOnChecks"> {
  const publishers = [...counting, ...patient];
  return {
    refusals: patient.map((publisher) => ({ publisher: publisher.plan.publisher, count: publisher.refusals() })),
    sent: publishers.reduce((sum, publisher) => sum + publisher.sent(), 0),
    acknowledged: publishers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
    duplicates: watch.duplicates(),
    ledgerSamples: watch.samples(),
    handOnChecks: watch.handOnChecks(),
  };
}
