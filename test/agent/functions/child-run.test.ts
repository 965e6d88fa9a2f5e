// Executables as child processes. The clock stands still until a test moves it: what a bound in time does is not waited for.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runChild } from "#agent/functions/child-run.ts";
import type { Outcome, Run } from "#agent/functions/run.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FunctionFolder, runOf, tooMuch } from "./function-folder.ts";

const never = new AbortController().signal;

function run(
  folder: FunctionFolder,
  path: string,
  { clock = new FakeClock(), signal = never, ...more }: Partial<Run> & { clock?: FakeClock; signal?: AbortSignal } = {},
): Promise<Outcome> {
  const config = { path, directory: folder.path, node: "device-1", searchPath: "/usr/bin:/bin", maxMs: 5_000 };
  return runChild(clock, config, runOf("f", more), signal);
}

/** Once the script has written that file: its traps are set. */
async function begun(folder: FunctionFolder): Promise<number> {
  const file = join(folder.path, "begun");
  await expect.poll(() => existsSync(file) && readFileSync(file, "utf8").trim() !== "").toBe(true);
  return Number(readFileSync(file, "utf8"));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test.each([
  ["echo '{\"a\": [1, 2]}'", { a: [1, 2] }],
  ["echo 42", 42],
  ["echo two words; echo and a line", "two words\nand a line"],
  ["echo '{broken'", "{broken"],
  ["", null],
  ["echo progress >&2; echo '\"text\"'", "text"],
])("what it prints is the result: %s", async (script, value) => {
  using folder = new FunctionFolder();
  expect(await run(folder, folder.add("f.sh", script))).toEqual({ status: "done", value });
});

test("its arguments come on stdin as JSON, and of the environment only what it needs", async () => {
  using folder = new FunctionFolder();
  const path = folder.add(
    "f",
    'args=$(cat); echo "$args|$PWD"; env | grep -v "^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD=" | sort',
  );
  process.env["FOGBANK_TEST_SECRET"] = "secret";
  const clock = new FakeClock(Date.parse("2026-07-10T12:00:00Z"));
  const outcome = await run(folder, path, { clock, dueMs: 90_000, args: { speed: [1, "two; rm -rf $HOME"] } });
  delete process.env["FOGBANK_TEST_SECRET"];
  expect(outcome).toEqual({
    status: "done",
    value: [
      `{"speed":[1,"two; rm -rf $HOME"]}|${folder.path}`,
      "FOGBANK_CALL_ID=0123456789abcdef0123456789abcdef",
      "FOGBANK_DEADLINE=2026-07-10T12:01:30.000Z",
      "FOGBANK_NODE=device-1",
      "FOGBANK_ORIGIN=cloud-1",
      "FOGBANK_TTL_MS=90000",
      "PATH=/usr/bin:/bin",
    ].join("\n"),
  });
});

test("arguments that it does not read are no failure", async () => {
  using folder = new FunctionFolder();
  const path = folder.add("f", "exec <&-; echo done");
  expect(await run(folder, path, { args: "x".repeat(200_000) })).toEqual({ status: "done", value: "done" });
});

test.each([
  ["exit 3", "exit code 3"],
  ["echo no power >&2; exit 1", "exit code 1: no power"],
  ["kill -9 $$", "ended by SIGKILL"],
])("a failure is told with its reason: %s", async (script, reason) => {
  using folder = new FunctionFolder();
  expect(await run(folder, folder.add("f", script))).toEqual({ status: "failed", reason });
});

test("of what it complains the first KiB is told, however much it is", async () => {
  using folder = new FunctionFolder();
  const outcome = await run(folder, folder.add("f", "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1"));
  expect(outcome).toEqual({ status: "failed", reason: `exit code 1: ${"x".repeat(limits.callReasonChars)}` });
});

test("what cannot be started fails", async () => {
  using folder = new FunctionFolder();
  const outcome = await run(folder, join(folder.path, "gone"));
  expect(outcome).toEqual({
    status: "failed",
    reason: expect.stringMatching(/^it cannot be started: .*ENOENT/) as string,
  });
});

test("more output than a result may have ends it", async () => {
  using folder = new FunctionFolder();
  expect(await run(folder, folder.add("f", `head -c ${tooMuch - 1} /dev/zero | tr '\\0' x`))).toEqual({
    status: "done",
    value: "x".repeat(tooMuch - 1),
  });
  expect(await run(folder, folder.add("g", "exec cat /dev/zero"))).toEqual({
    status: "failed",
    reason: `more than ${limits.callResultBytes} bytes of output`,
  });
});

test("one that hangs is told to end when its time is over", async () => {
  using folder = new FunctionFolder();
  const clock = new FakeClock();
  const outcome = run(folder, folder.add("f", "echo $$ > begun; exec sleep 1000"), { clock });
  const pid = await begun(folder);
  await clock.advance(5_000);
  expect(await outcome).toEqual({ status: "failed", reason: "it ran for more than 5 s" });
  expect(isAlive(pid)).toBe(false);
});

test("one that does not listen to SIGTERM is killed two seconds later, with what it has started", async () => {
  using folder = new FunctionFolder();
  const clock = new FakeClock();
  const stop = new AbortController();
  const script = "trap '' TERM; sleep 1000 & echo $! > begun; while true; do wait; done";
  const outcome = run(folder, folder.add("f", script), { clock, signal: stop.signal });
  const grandchild = await begun(folder);
  stop.abort();
  await clock.advance(limits.killAfterMs - 1);
  expect(isAlive(grandchild)).toBe(true);
  await clock.advance(1);
  expect(await outcome).toEqual({ status: "failed", reason: "it was stopped" });
  await expect.poll(() => isAlive(grandchild)).toBe(false);
});

test("what it leaves running ends with it, and is not waited for", async () => {
  using folder = new FunctionFolder();
  const outcome = await run(folder, folder.add("f", "sleep 1000 & echo $! > begun; echo started"));
  expect(outcome).toEqual({ status: "done", value: "started" });
  const grandchild = await begun(folder);
  await expect.poll(() => isAlive(grandchild)).toBe(false);
});

test("what has left its process group keeps nobody waiting for ever", async () => {
  using folder = new FunctionFolder();
  const clock = new FakeClock();
  const script = `setsid sh -c 'echo $$ > begun; exec sleep 1000' &
    while [ ! -s begun ]; do sleep 0.01; done; echo started`;
  const outcome = run(folder, folder.add("f", script), { clock });
  const stranger = await begun(folder);
  await expect.poll(() => clock.sleepers).toBe(2); // the time it has, and the time that its pipes have
  await clock.advance(limits.killAfterMs);
  expect(await outcome).toEqual({ status: "done", value: "started" });
  expect(isAlive(stranger)).toBe(true);
  process.kill(stranger, "SIGKILL");
});
