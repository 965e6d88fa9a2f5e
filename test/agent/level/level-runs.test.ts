import { expect, test } from "vitest";
import type { Outcome } from "#agent/functions/run.ts";
import type { FunctionRunner } from "#agent/functions/function-runner.ts";
import { type LevelRun, LevelRuns } from "#agent/level/level-runs.ts";
import type { LevelOutcome } from "#shared/level/outcome.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const run: LevelRun = {
  caller: "device-1",
  id: "a",
  name: "act",
  args: null,
  origin: "device-1",
  condition: "",
  ttlMs: 1_000,
  encoding: "json",
};

/** A runner whose runs end when the test says so; `refusing`: at once. */
function bench(refusing?: { now: boolean }) {
  const clock = new FakeClock();
  const started: string[] = [];
  const cancelled: string[] = [];
  const endings = new Map<string, (outcome: Outcome) => void>();
  const runner: FunctionRunner = {
    offers: () => true,
    start({ id }, ended) {
      started.push(id);
      endings.set(id, ended);
      if (refusing?.now) ended({ status: "refused", reason: "nobody" });
    },
    cancel: (id) => void cancelled.push(id),
    [Symbol.dispose]() {},
  };
  const check = (text: string) => (text === "bad" ? { error: "line 1" } : { holds: text === "" });
  const runs = new LevelRuns({ runner, check, clock }, "fog-1");
  const heard: LevelOutcome[] = [];
  const hear = (outcome: LevelOutcome): void => void heard.push(outcome);
  const end = (id: string, value: string): void => endings.get(id)?.({ status: "done", value });
  return { clock, runs, started, cancelled, heard, hear, end };
}

test("asked again while it runs and afterwards: runs once, the same place hears once each time", async () => {
  const { runs, started, heard, hear, end } = bench();
  await using _ = runs;
  runs.run(run, "below", hear);
  runs.run(run, "below", hear);
  expect(heard).toEqual([]);
  end("a", "x");
  runs.run(run, "below", hear);
  expect(heard).toEqual([
    { status: "ok", value: "x" },
    { status: "ok", value: "x" },
  ]);
  expect(started).toEqual(["a"]);
});

test("at its deadline a run has timed out, is cancelled, and its id is forgotten", async () => {
  const { clock, runs, started, cancelled, heard, hear } = bench();
  await using _ = runs;
  runs.run(run, "below", hear);
  await clock.advance(999);
  expect(heard).toEqual([]);
  await clock.advance(1);
  expect(heard).toEqual([{ status: "timeout", reason: "no answer before the deadline" }]);
  expect(cancelled).toEqual(["a"]);
  runs.run(run, "below", hear);
  expect(started).toEqual(["a", "a"]);
});

test("what was refused has not run, and may be asked for again", async () => {
  const refusing = { now: true };
  const { runs, started, heard, hear, end } = bench(refusing);
  await using _ = runs;
  runs.run(run, "below", hear);
  refusing.now = false;
  runs.run(run, "below", hear);
  end("a", "x");
  expect(started).toEqual(["a", "a"]);
  expect(heard.map(({ status }) => status)).toEqual(["refused", "ok"]);
});

test("refused without being begun: where the condition is false or none, and an id that another caller is using", async () => {
  const { runs, started, heard, hear } = bench();
  await using _ = runs;
  runs.run({ ...run, condition: "no" }, "below", hear);
  runs.run({ ...run, condition: "bad" }, "below", hear);
  runs.run(run, "below", () => undefined);
  runs.run({ ...run, caller: "device-2" }, "below", hear);
  runs.run({ ...run, name: "other" }, "below", hear);
  expect(heard).toEqual(
    [
      "the condition does not hold on fog-1",
      "the condition cannot be used: line 1",
      "a call of somebody else with this id is under way",
      "another call has had this id",
    ].map((reason) => ({ status: "refused", reason })),
  );
  expect(started).toEqual(["a"]);
});

test("[J-T11] bounded: the oldest outcomes are forgotten for new calls and for their bytes; calls under way are not", async () => {
  const { runs, heard, hear, end } = bench();
  await using _ = runs;
  const begin = (id: string): void => runs.run({ ...run, id }, "below", hear);
  for (let count = 0; count < limits.openCalls; count++) begin(`${count}`);
  begin("one more");
  expect(heard).toEqual([{ status: "refused", reason: expect.stringContaining("follows 10000 calls already") }]);
  end("7", "x");
  begin("one more");
  expect(runs.stats()).toEqual({ ran: 1, refused: 1, open: limits.openCalls });
  const large = "x".repeat(16_000);
  for (let count = 0; count < 2_000; count++) end(`${count}`, large);
  const kept = rememberedBelow(runs, 2_000);
  expect(kept * large.length).toBeLessThan(limits.levelOutcomeBytes);
  expect(kept).toBeGreaterThan(900);
});

/** How many ids in front of that one are answered at once. */
function rememberedBelow(runs: LevelRuns, end: number): number {
  let kept = 0;
  for (let id = end - 1; id === end - 1 - kept; id--) {
    runs.run({ ...run, id: `${id}` }, "elsewhere", ({ status }) => (kept += status === "ok" ? 1 : 0));
  }
  return kept;
}
