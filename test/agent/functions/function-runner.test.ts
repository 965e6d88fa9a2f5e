// What runs a call on one node, and what becomes of it when those who run it go away: with a broker in memory.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { startExecutables } from "#agent/functions/executables.ts";
import type { Outcome, Run } from "#agent/functions/run.ts";
import { startFunctionRunner, type FunctionRunner, type FunctionRunnerDeps } from "#agent/functions/function-runner.ts";
import { startSchemaChecks } from "#agent/functions/schema-checks.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker, type MemoryClient } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";
import { FunctionFolder, runOf } from "./function-folder.ts";

interface Bench extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly broker: MemoryBroker;
  readonly runner: FunctionRunner;
}

interface Options {
  readonly folder?: FunctionFolder;
  readonly builtIns?: FunctionRunnerDeps["builtIns"];
  /** In the place of those of a folder. */
  readonly executables?: FunctionRunnerDeps["executables"];
}

function start({ folder, builtIns = new Map(), executables: given }: Options = {}): Bench {
  const stack = new AsyncDisposableStack();
  const deps = { clock: new FakeClock(), log: silentLogger() };
  const broker = stack.use(new MemoryBroker(deps, { authorizer: treeAuthorizer }));
  const schemas = stack.use(startSchemaChecks(broker));
  const executables =
    folder === undefined
      ? given
      : stack.use(
          startExecutables(deps, {
            directory: folder.path,
            maxSeconds: 5,
            atOnce: 2,
            insecure: false,
            node: "device-1",
            searchPath: "/usr/bin:/bin",
          }),
        );
  let drawn = 0;
  const random = { unit: () => 0.5, uint32: () => ++drawn, uuid: () => "uuid" };
  const onClientGone = (listener: (clientId: string) => void) =>
    broker.onClient(({ type, clientId }) => {
      if (type === "disconnected") listener(clientId);
    });
  const runner = stack.use(
    startFunctionRunner(
      { bus: broker, clock: deps.clock, onClientGone, builtIns, executables, schemas, random, log: deps.log },
      "/machine/results/",
    ),
  );
  return { clock: deps.clock, broker, runner, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** A program that offers `name`: what it has been asked and told, and how it answers. */
async function program({ broker }: Bench, clientId: string, name = "f") {
  const client = await broker.connect(clientId);
  const asked: { readonly id: string; readonly args: unknown; readonly reply: string; readonly deadline: string }[] =
    [];
  const first = Promise.withResolvers<void>();
  client.onMessage(({ topic, payload }) => {
    if (topic !== `/machine/functions/${name}`) return;
    asked.push(JSON.parse(new TextDecoder().decode(payload)) as never);
    first.resolve();
  });
  await client.subscribe(`/machine/functions/${name}`, 1);
  const answer = async (body: unknown) => {
    await first.promise;
    await publish(client, asked[0]?.reply ?? "", body);
  };
  return { client, asked, answer };
}

function publish(client: MemoryClient, topic: string, body: unknown, retain = false): Promise<void> {
  return client.publish({ topic, payload: new TextEncoder().encode(JSON.stringify(body)), qos: 1, retain });
}

function outcomeOf({ runner }: Bench, run: Run): Promise<Outcome> {
  return new Promise((resolve) => runner.start(run, resolve));
}

const disconnected: Outcome = { status: "failed", reason: "the program that ran it has disconnected" };

test("a program that is subscribed to the topic itself offers the function, a listener on # does not", async () => {
  await using bench = start();
  const listener = await bench.broker.connect("listener");
  for (const filter of ["#", "/machine/functions/+"]) await listener.subscribe(filter, 1);
  expect(bench.runner.offers(runOf("f"))).toBe(false);
  expect(await outcomeOf(bench, runOf("f"))).toEqual({
    status: "refused",
    reason: 'nobody on this node offers the function "f"',
  });
  const { answer } = await program(bench, "program");
  expect(bench.runner.offers(runOf("f"))).toBe(true);
  const outcome = outcomeOf(bench, runOf("f", { args: 1 }));
  await answer({ result: "done it" });
  expect(await outcome).toEqual({ status: "done", value: "done it" });
});

test("the run of a program that disconnects fails at once, unless another one was asked too [J16.14]", async () => {
  await using bench = start();
  const first = await program(bench, "first");
  const second = await program(bench, "second");
  const bystander = await program(bench, "bystander", "other");
  const alone = outcomeOf(bench, runOf("other", { id: "1" }));
  const both = outcomeOf(bench, runOf("f", { id: "2" }));
  await first.client.drop();
  await second.answer({ result: 2 });
  expect(await both).toEqual({ status: "done", value: 2 });
  const lost = outcomeOf(bench, runOf("f", { id: "3" }));
  await second.client.disconnect();
  expect(await lost).toEqual(disconnected);
  await bystander.client.drop();
  expect(await alone).toEqual(disconnected);
});

test("a program is told how long somebody waits, and until when by the clock of its machine", async () => {
  await using bench = start();
  const { asked, answer } = await program(bench, "program");
  await bench.clock.advance(1_000);
  bench.clock.setWallClock(Date.parse("2031-01-01T00:00:00Z")); // the tree has another time
  const outcome = outcomeOf(bench, runOf("f", { dueMs: 31_000 }));
  await answer(null);
  await outcome;
  expect(asked).toMatchObject([{ ttlMs: 30_000, deadline: "2031-01-01T00:00:30.000Z" }]);
});

test("a program that has unsubscribed may still answer", async () => {
  await using bench = start();
  const { client, answer } = await program(bench, "program");
  const other = await program(bench, "other", "other");
  const outcome = outcomeOf(bench, runOf("f"));
  await client.unsubscribe("/machine/functions/f");
  await other.client.drop();
  await answer({ error: "no power" });
  expect(await outcome).toEqual({ status: "failed", reason: "no power" });
});

test("a cancelled run is told to the program that runs it, below the topic of its answer", async () => {
  await using bench = start();
  const { client, asked, answer } = await program(bench, "program");
  const told: string[] = [];
  client.onMessage(({ topic, payload }) => {
    if (topic.endsWith("/cancel")) told.push(`${topic} ${new TextDecoder().decode(payload)}`);
  });
  await client.subscribe("/machine/results/+/cancel", 1);
  let ended = 0;
  bench.runner.start(runOf("f"), () => ended++);
  bench.runner.cancel(runOf("f").id);
  await answer({ result: 1 });
  expect(told).toEqual([`${asked[0]?.reply}/cancel {"id":"${runOf("f").id}"}`]);
  expect(ended).toBe(0);
});

test("a built-in function answers although a program that heard of it has gone", async () => {
  const going = Promise.withResolvers<string>();
  await using bench = start({ builtIns: new Map([["f", () => going.promise]]) });
  const { client } = await program(bench, "program");
  const outcome = outcomeOf(bench, runOf("f"));
  await client.drop();
  going.resolve("built in");
  expect(await outcome).toEqual({ status: "done", value: "built in" });
});

test("an executable comes before programs, and its schema before it runs", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", "cat");
  await using bench = start({ folder });
  const { asked } = await program(bench, "program");
  expect(await outcomeOf(bench, runOf("f", { args: [1] }))).toEqual({ status: "done", value: [1] });
  folder.write("f.schema.json", '{"type": "array", "maxItems": 0}');
  expect(await outcomeOf(bench, runOf("f", { args: [1] }))).toEqual({
    status: "refused",
    reason: "the arguments are not what it takes: Array has too many items (1 > 0).",
  });
  folder.write("f.schema.json", "{");
  expect(await outcomeOf(bench, runOf("f"))).toEqual({
    status: "refused",
    reason: "the schema of its arguments cannot be used: it is no JSON",
  });
  expect(asked).toEqual([]);
});

test("an executable whose schema cannot be read is refused with the reason", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", "cat");
  mkdirSync(join(folder.path, "f.schema.json"));
  await using bench = start({ folder });
  expect(await outcomeOf(bench, runOf("f"))).toEqual({
    status: "refused",
    reason: "the schema of its arguments cannot be read: it is no regular file",
  });
});

test("what throws while a run begins fails that run alone", async () => {
  await using bench = start({ executables: { offers: () => true, schema: () => raise(), run: () => raise() } });
  expect(await outcomeOf(bench, runOf("f"))).toEqual({ status: "failed", reason: "Error: broken disk" });
});

function raise(): never {
  throw new Error("broken disk");
}

test("a cancelled executable is stopped", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", "exec sleep 1000");
  const bench = start({ folder });
  let ended = 0;
  bench.runner.start(runOf("f"), () => ended++);
  bench.runner.cancel(runOf("f").id);
  await bench[Symbol.asyncDispose](); // resolves when all processes have ended
  expect(ended).toBe(0);
});

test("arguments that do not fit what a program has announced are refused before it is asked", async () => {
  await using bench = start();
  const { client, asked, answer } = await program(bench, "program");
  await publish(client, "/level/schemas/f", { type: "integer" }, true);
  expect(await outcomeOf(bench, runOf("f", { args: "fast" }))).toEqual({
    status: "refused",
    reason: 'the arguments are not what it takes: Instance type "string" is invalid. Expected "integer".',
  });
  expect(asked).toEqual([]);
  const outcome = outcomeOf(bench, runOf("f", { args: 5 }));
  await answer(null);
  expect(await outcome).toEqual({ status: "done", value: null });
});

test("a schema that cannot be used is refused where it is announced", async () => {
  await using bench = start();
  const { client } = await program(bench, "program");
  await expect(publish(client, "/level/schemas/f", { pattern: "x" }, true)).rejects.toThrow("has ended");
  const other = await program(bench, "other");
  await expect(publish(other.client, "/level/schemas/.f", {}, true)).rejects.toThrow("has ended");
  expect(bench.broker.retainedPayload("/level/schemas/f")).toBeUndefined();
});

test.each([
  ["{", "failed"],
  ['{"result": 1, "error": "both"}', "failed"],
  ['{"other": 1}', "failed"],
  ["[1]", "done"],
  [JSON.stringify("x".repeat(20_000)), "failed"],
])("what a program answers is checked: %s", async (text, status) => {
  await using bench = start();
  const { client, asked } = await program(bench, "program");
  const outcome = outcomeOf(bench, runOf("f"));
  const payload = new TextEncoder().encode(text);
  await expect.poll(() => asked).toHaveLength(1);
  await client.publish({ topic: asked[0]?.reply ?? "", payload, qos: 1, retain: false });
  expect(await outcome).toMatchObject({ status });
});
