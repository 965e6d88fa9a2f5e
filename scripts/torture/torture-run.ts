// One torture from start to verdict: tree up, publishers and workloads on, killing, all up again, drain, judgement.
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { countingPublisher, type CountingPublisher } from "./counting-publisher.ts";
import { drained } from "./drain.ts";
import { killAtRandom, type Kills } from "./killing.ts";
import { watchLedgers, type LedgerWatch } from "./ledger-watch.ts";
import { createMessagePlan } from "./message-plan.ts";
import { judgeStored } from "./oracle.ts";
import { seeded } from "./seeded.ts";
import { troublesOf } from "./troubles.ts";
import { startTortureTree, type TortureTree } from "./torture-tree.ts";
import type { Workload } from "./workload.ts";

export interface TortureOptions {
  /** For databases, configurations and logs; exists. */
  readonly folder: string;
  readonly seed: number;
  /** How long processes are killed. */
  readonly seconds: number;
  readonly workloads: readonly Workload[];
  readonly guard?: OrphanGuard;
  readonly signal: AbortSignal;
  /** Hears a line at each step. */
  readonly say: (line: string) => void;
}

export interface TortureReport {
  readonly kills: Kills;
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

export async function runTorture(options: TortureOptions): Promise<TortureReport> {
  const { folder, seed, seconds, workloads, guard, signal, say } = options;
  const random = seeded(seed);
  await using tree = await startTortureTree(folder, guard);
  const publishers = tree.devices.map(({ node }) => {
    const plan = createMessagePlan(random.fork("messages"), node.name);
    return countingPublisher(node.mqttPort, plan, random.fork(`bursts of ${node.name}`));
  });
  const watch = watchLedgers(tree);
  for (const workload of workloads) await workload.start(tree, random.fork(workload.name));
  say(`${tree.members.length} processes up, killing one every 300 to 600 ms for ${seconds} s`);
  const kills = await killAtRandom(tree, random.fork("kills"), performance.now() + seconds * 1000, signal);
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
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  say("killing stopped, everything is up again: draining");
  const drainMs = await attempt(() => drained(tree));
  await watch.stop();
  const stored = await attempt(() => judge(tree, publishers, faults));
  const remarks: string[] = [];
  for (const workload of workloads) {
    const checked = await attempt(() => workload.check(tree));
    faults.push(...(checked?.faults ?? []));
    remarks.push(...(checked?.remarks ?? []));
  }
  remarks.push(...(await troublesOf(tree.members.map(({ node }) => node))));
  const base = { kills, drainMs, stored: stored ?? 0, remarks, ...countsOf(publishers, watch) };
  return { ...base, faults: [...watch.faults, ...faults] };
}

function countsOf(
  publishers: readonly CountingPublisher[],
  watch: LedgerWatch,
): Pick<TortureReport, "sent" | "acknowledged" | "duplicates" | "ledgerSamples" | "handOnChecks"> {
  return {
    sent: publishers.reduce((sum, publisher) => sum + publisher.sent(), 0),
    acknowledged: publishers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
    duplicates: watch.duplicates(),
    ledgerSamples: watch.samples(),
    handOnChecks: watch.handOnChecks(),
  };
}

/** Answers how many messages are stored; adds what is wrong to `faults`. */
async function judge(tree: TortureTree, publishers: readonly CountingPublisher[], faults: string[]): Promise<number> {
  let count = 0;
  for (const publisher of publishers) {
    const { publisher: origin } = publisher.plan;
    const lines = await tree.cloud.node.data(origin);
    count += lines.length;
    faults.push(...judgeStored(publisher, lines));
    const ledger = await tree.cloud.node.accounting(origin);
    const known = ledger.reduce((sum, { stored }) => sum + stored, 0);
    if (known !== lines.length)
      faults.push(`${origin}: ${lines.length} returned, ${known} stored by the cloud's ledger`);
  }
  return count;
}
