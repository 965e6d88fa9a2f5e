// How long a call takes over three levels and back: from the publish at the cloud to the final reply there, one call at a time.
import { connectAsync } from "mqtt";
import { inFreshFolder, type Benchmark } from "./benchmark.ts";
import { startBenchTree } from "./bench-tree.ts";
import { latencyColumns } from "./columns.ts";
import { Samples } from "./percentiles.ts";
import { monotonicMs } from "./process-usage.ts";

const warmUpCalls = 50;
const reply = "/bench/replies";

export const callRoundTrip: Benchmark = {
  name: "call-round-trip",
  title: "call of a function at the device, made at the cloud → final reply, one at a time",
  columns: [
    ...latencyColumns,
    { key: "calls", heading: "calls", digits: 0 },
    { key: "unanswered", heading: "not done", digits: 0 },
  ],
  cases: [
    {
      name: "ping, cloud → fog → device",
      run: (context) =>
        inFreshFolder(context, async (folder) => {
          await using tree = await startBenchTree(context.nodeDeps, folder, false);
          const client = await connectAsync({
            host: "127.0.0.1",
            port: tree.cloud.mqttPort,
            protocol: "mqtt",
            protocolVersion: 4,
            reconnectPeriod: 0,
          });
          try {
            const call = createCaller(client);
            await client.subscribeAsync(reply, { qos: 0 });
            for (let count = 0; count < warmUpCalls; count++) await call();
            const roundTripMs = new Samples();
            let unanswered = 0;
            const endMs = monotonicMs() + context.measureMs;
            while (monotonicMs() < endMs) {
              const startMs = monotonicMs();
              if (!(await call())) unanswered++;
              roundTripMs.add(monotonicMs() - startMs);
            }
            const figures = { ...roundTripMs.latency(), calls: roundTripMs.count, unanswered };
            return [{ name: "ping, cloud → fog → device", figures }];
          } finally {
            client.end(true);
          }
        }),
    },
  ],
};

interface CallClient {
  on(event: "message", listener: (topic: string, payload: Uint8Array) => void): unknown;
  publish(topic: string, payload: string, options: { readonly qos: 0 }): unknown;
}

/** Answers a function that makes one call and resolves with its final reply: whether just one node matched and was done. */
function createCaller(client: CallClient): () => Promise<boolean> {
  const text = new TextDecoder();
  let answered = Promise.withResolvers<boolean>();
  client.on("message", (_topic, payload) => {
    const { final, counts } = JSON.parse(text.decode(payload)) as {
      readonly final: boolean;
      readonly counts: { readonly matched: number; readonly done: number };
    };
    if (final) answered.resolve(counts.matched === 1 && counts.done === 1);
  });
  const body = JSON.stringify({ if: "level == 'device'", reply, ttl: 5 });
  return () => {
    answered = Promise.withResolvers<boolean>();
    client.publish("/machine/functions/ping", body, { qos: 0 });
    return answered.promise;
  };
}
