// Programs that share a function, at the real broker: shared subscriptions of MQTT 5.
import { expect, test } from "vitest";
import { startProgramCalls } from "#agent/functions/program-calls.ts";
import type { Outcome } from "#agent/functions/function-runner.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { CoreBench } from "../../fakes/core-bench.ts";
import type { RawClient } from "../../fakes/raw-client.ts";
import { runOf } from "./function-folder.ts";

async function worker(bench: CoreBench, clientId: string): Promise<RawClient> {
  const client = await bench.client(clientId, 5);
  const topic = "$share/workers//machine/functions/f";
  await client.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] });
  await client.answer("suback");
  return client;
}

function asked(client: RawClient): readonly { readonly id: string; readonly reply: string }[] {
  return client.received.flatMap((packet) =>
    packet.cmd === "publish" ? [JSON.parse(String(packet.payload)) as { id: string; reply: string }] : [],
  );
}

test("each call is run by one of the programs that share the function", async () => {
  await using bench = await CoreBench.start();
  const { broker } = bench;
  const onClientGone = (listener: (clientId: string) => void) =>
    broker.onClient(({ type, clientId }) => {
      if (type === "disconnected") listener(clientId);
    });
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  using programs = startProgramCalls(
    { bus: broker, clock: new FakeClock(), onClientGone, random: systemRandom, log },
    "/machine/results/",
  );
  expect(programs.offers("/machine/functions/f")).toBe(false);
  const workers = [await worker(bench, "first"), await worker(bench, "second")];
  expect(programs.offers("/machine/functions/f")).toBe(true);
  const ids = Array.from({ length: 10 }, (_, index) => String(index));
  const outcomes = new Map<string, Outcome>();
  for (const id of ids) programs.ask(runOf("f", { id }), (outcome) => outcomes.set(id, outcome), "must");
  const all = () => workers.flatMap((client) => asked(client).map(({ id }) => id)).toSorted();
  await expect.poll(all).toEqual(ids);
  expect(workers.map((client) => asked(client).length)).toEqual([5, 5]);
  for (const client of workers) await client.disconnect();
  await expect.poll(() => outcomes.size).toBe(10); // all of them failed: none is left waiting
});
