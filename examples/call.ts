// Calls "blink" wherever somebody offers it, and shows what became of it.
// node examples/call.ts [mqtt://127.0.0.1:1883]
import { connect } from "fogbank/client";

await using client = await connect(process.argv[2] ?? "mqtt://127.0.0.1:1883");
const report = await client.call(
  "blink",
  { times: 2 },
  {
    if: "level == 'device'",
    ttl: 10,
    onProgress: ({ counts }) => console.log(`${counts.done} of ${counts.matched} done`),
  },
);
for (const { node, status, value, reason } of report.results) console.log(node, status, value ?? reason);
for (const { node, since } of report.waiting) console.log(node, "is away since", since);
