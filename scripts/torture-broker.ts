// `npm run torture:broker`: one broker under kill -9, strict MQTT clients with sessions around it, and an oracle that knows only what
// they were told. Exit codes: 0 every promise of MQTT was kept; 1 not so; 2 usage; 130 interrupted.
import { brokerReportLines, runBrokerTorture } from "./torture/broker/broker-torture.ts";
import { runTortureCommand } from "./torture/torture-command.ts";

process.exitCode = await runTortureCommand(
  {
    script: "torture:broker",
    description: "one broker under kill -9; counts every message at every client with a session",
    async run(setting) {
      const report = await runBrokerTorture(setting);
      return { lines: brokerReportLines(report), isGood: report.faults.length === 0 };
    },
  },
  process.argv,
);
