// Programs that share a function, at the real broker: shared subscriptions of MQTT 5.
import { expect, test } from "vitest";
import { startProgramCalls } from "#agent/functions/program-calls.ts";
import type { Outcome } from "#agent/functions/run.ts";
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

/** Calls at the broker, as a node makes them. */
function callsAt({ broker }: CoreBench) {
  const onClientGone = (listener: (clientId: string) => void) =>
    broker.onClient(({ type, clientId }) => {
      if (type === "disconnected") listener(clientId);
    });
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const deps = { bus: broker, clock: new FakeClock(), onClientGone, random: systemRandom, log };
  return startProgramCalls(deps, "/machine/results/");
}

test("each call is run by one of the programs that share the function", async () => {
  await using bench = await CoreBench.start();
  using programs = callsAt(bench);
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

/** Two calls, one at each of two workers; the first of them disconnects with that `id`. */
async function leavingWorker(bench: CoreBench, isRepeatable: boolean) {
  const programs = callsAt(bench);
  const [first, second] = [await worker(bench, "first"), await worker(bench, "second")];
  const outcomes = new Map<string, Outcome>();
  for (const id of ["1", "2"])
    programs.ask(runOf("f", { id, isRepeatable }), (outcome) => outcomes.set(id, outcome), "must");
  await expect.poll(() => [asked(first).length, asked(second).length]).toEqual([1, 1]);
  const id = asked(first)[0]?.id ?? "";
  await first.disconnect();
  return { id, second, outcomes, [Symbol.dispose]: () => programs[Symbol.dispose]() };
}

const disconnected: Outcome = { status: "failed", reason: "the program that ran it has disconnected" };

test("a run fails at once with the one program of the group that was asked", async () => {
  await using bench = await CoreBench.start();
  using scene = await leavingWorker(bench, false);
  await expect.poll(() => [...scene.outcomes]).toEqual([[scene.id, disconnected]]);
});

test("a run that may be repeated goes to the next program of the group, and fails when none is left", async () => {
  await using bench = await CoreBench.start();
  using scene = await leavingWorker(bench, true);
  await expect.poll(() => asked(scene.second).length).toBe(2);
  expect(asked(scene.second)[1]?.id).toBe(scene.id);
  expect(scene.outcomes.size).toBe(0);
  await scene.second.disconnect();
  await expect.poll(() => [...scene.outcomes.values()]).toEqual([disconnected, disconnected]);
});
