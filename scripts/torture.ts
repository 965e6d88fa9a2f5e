// `npm run torture`: a tree of real processes under kill -9, with links that break, and an oracle outside of them. Exit codes: 0 nothing lost, nothing twice,
// every ledger sums; 1 not so; 2 usage; 130 interrupted.
import { callWorkload } from "./torture/call-workload.ts";
import { runTortureCommand } from "./torture/torture-command.ts";
import { reportLines } from "./torture/torture-report.ts";
import { runTorture } from "./torture/torture-run.ts";

process.exitCode = await runTortureCommand(
  {
    script: "torture",
    description:
      "one cloud, two fogs and four devices under kill -9, with links that break; counts every acknowledged message",
    hasLinks: true,
    async run(setting) {
      const report = await runTorture({ ...setting, workloads: [callWorkload()] });
      return { lines: reportLines(report), isGood: report.faults.length === 0 };
    },
  },
  process.argv,
);
