// `npm run bench:zookeeper`: our client for ZooKeeper beside those of npm, on a standalone server and on an ensemble of three that this
// starts. Exit codes: 0 measured, 1 failure.
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./bench/percentiles.ts";
import { renderTable, type Row } from "./bench/table.ts";
import type { Contender } from "./bench/zookeeper/contender.ts";
import { gapMs, rates, type Kind } from "./bench/zookeeper/measures.ts";
import { npmContenders } from "./bench/zookeeper/npm-clients.ts";
import { ownContender } from "./bench/zookeeper/own-client.ts";
import { startOrphanGuard } from "./demo/orphan-guard.ts";
import { findZooKeeper, startEnsemble, startStandalone, type ZooKeeperServer } from "./services/zookeeper.ts";

const rateRounds = 5;
const gapRounds = 3;
const operations = 10_000;
const kinds: readonly Kind[] = ["set", "create", "get"];

/** By name of the contender, then of the figure. */
type Figures = ReadonlyMap<string, Map<string, number[]>>;

process.exitCode = await run();

async function run(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-bench-zookeeper-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const guard = stack.use(startOrphanGuard());
  const program = await findZooKeeper();
  const contenders: readonly Contender[] = [ownContender, ...(await npmContenders())];
  const figures: Figures = new Map(contenders.map(({ name }) => [name, new Map<string, number[]>()]));
  for (const part of ["one", "three"]) mkdirSync(join(folder, part));
  {
    await using alone = new AsyncDisposableStack();
    const one = await startStandalone(program, { folder: join(folder, "one"), guard });
    alone.defer(async () => one.kill());
    await measureRates(contenders, one, figures);
  }
  const three = await startEnsemble(program, { folder: join(folder, "three"), guard });
  stack.defer(async () => void (await Promise.all(three.map(async (server) => server.kill()))));
  for (let round = 1; round <= gapRounds; round++) {
    for (const contender of contenders) {
      process.stderr.write(`outages, round ${round} of ${gapRounds}: ${contender.name}\n`);
      note(figures, contender, "kill", await gapMs(contender, three, "kill"));
      note(figures, contender, "freeze", await gapMs(contender, three, "freeze"));
    }
  }
  const rows: readonly Row[] = contenders.map(({ name }) => ({
    name,
    figures: Object.fromEntries([...(figures.get(name) ?? [])].map(([key, values]) => [key, median(values)])),
  }));
  const columns = [
    ...kinds.flatMap((kind) => [
      { key: kind, heading: `${kind}/s`, digits: 0 },
      { key: `${kind}-cpu`, heading: "µs CPU", digits: 0 },
    ]),
    { key: "kill", heading: "gap, killed ms", digits: 0 },
    { key: "freeze", heading: "gap, frozen ms", digits: 0 },
  ];
  const title = `64 at a time, 200 B, medians of ${rateRounds} and ${gapRounds}`;
  process.stdout.write(`${renderTable(title, columns, rows).join("\n")}\n`);
  return 0;
}

/** The contenders take turns, another one first in each round: what else the machine does meets all of them. */
async function measureRates(contenders: readonly Contender[], one: ZooKeeperServer, figures: Figures): Promise<void> {
  for (let round = 0; round <= rateRounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length];
      if (contender === undefined) continue;
      process.stderr.write(`rates, round ${round} of ${rateRounds}: ${contender.name}\n`);
      for (const kind of kinds) {
        const { perSecond, cpuMicros } = await rates(contender, one.port, kind, operations);
        if (round === 0) continue; // to warm up
        note(figures, contender, kind, perSecond);
        note(figures, contender, `${kind}-cpu`, cpuMicros);
      }
    }
  }
}

function note(figures: Figures, { name }: Contender, key: string, value: number): void {
  const own = figures.get(name);
  own?.set(key, [...(own.get(key) ?? []), value]);
}
