import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startExecutables } from "#agent/functions/executables.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";
import { FunctionFolder, runOf } from "./function-folder.ts";

const never = new AbortController().signal;

function executablesIn(folder: FunctionFolder, atOnce = 4, clock = new FakeClock()) {
  const config = {
    directory: folder.path,
    maxSeconds: 5,
    insecure: false,
    node: "device-1",
    searchPath: "/usr/bin:/bin",
  };
  return startExecutables({ clock, log: silentLogger() }, { ...config, atOnce });
}

/** Runs until the file `go` is there, and says that it has begun. */
const untilGo = 'touch "begun-$FOGBANK_CALL_ID"; while [ ! -e go ]; do sleep 0.01; done; echo "$FOGBANK_CALL_ID"';

test("as many run at once as may, and the others in their turn", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", untilGo);
  await using executables = executablesIn(folder, 2);
  const hasBegun = (id: string) => existsSync(join(folder.path, `begun-${id}`));
  const given = new AbortController();
  const runs = ["1", "2", "3", "4"].map((id) => executables.run(runOf("f", { id }), id === "3" ? given.signal : never));
  await expect.poll(() => hasBegun("1") && hasBegun("2")).toBe(true);
  given.abort(); // nobody waits for the third any more
  folder.write("go", "");
  expect(await Promise.all(runs)).toEqual([
    { status: "done", value: 1 },
    { status: "done", value: 2 },
    { status: "failed", reason: "it was stopped before it began" },
    { status: "done", value: 4 },
  ]);
  expect([hasBegun("3"), hasBegun("4")]).toEqual([false, true]);
});

test("one whose turn does not come before its deadline has expired: it has not begun", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", untilGo);
  const clock = new FakeClock();
  await using executables = executablesIn(folder, 1, clock);
  const run = (id: string, dueMs: number) => executables.run(runOf("f", { id, dueMs }), never);
  const hasBegun = (id: string) => existsSync(join(folder.path, `begun-${id}`));
  const [first, second, third] = [run("1", 60_000), run("2", 1_000), run("3", 60_000)];
  await expect.poll(() => hasBegun("1")).toBe(true);
  await clock.advance(950);
  expect(await second).toEqual({ status: "expired", reason: "its turn did not come before the deadline" });
  folder.write("go", "");
  expect([await first, await third]).toEqual([
    { status: "done", value: 1 },
    { status: "done", value: 3 },
  ]);
  expect(hasBegun("2")).toBe(false);
});

test("whoever takes the place of another one counts as running", async () => {
  using folder = new FunctionFolder();
  folder.add(
    "f.sh",
    'touch "begun-$FOGBANK_CALL_ID"; while [ ! -e "go-$FOGBANK_CALL_ID" ]; do sleep 0.01; done; ls -x begun-*',
  );
  await using executables = executablesIn(folder, 1);
  const run = (id: string) => executables.run(runOf("f", { id }), never);
  const hasBegun = (id: string) => existsSync(join(folder.path, `begun-${id}`));
  const [first, second] = [run("1"), run("2")];
  folder.write("go-1", "");
  expect(await first).toEqual({ status: "done", value: "begun-1" });
  await expect.poll(() => hasBegun("2")).toBe(true);
  const third = run("3");
  folder.write("go-2", "");
  expect(await second).toEqual({ status: "done", value: "begun-1  begun-2" });
  folder.write("go-3", "");
  expect(await third).toMatchObject({ status: "done" });
});

test("one that must not be run is refused, and one that has gone meanwhile fails", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", "echo 1", 0o777);
  await using executables = executablesIn(folder);
  expect([executables.offers("f"), executables.offers("g")]).toEqual([true, false]);
  expect(await executables.run(runOf("f"), never)).toMatchObject({ status: "refused" });
  expect(await executables.run(runOf("g"), never)).toEqual({ status: "failed", reason: "its file is gone" });
});

test("disposing ends what runs and what waits", async () => {
  using folder = new FunctionFolder();
  folder.add("f.sh", untilGo);
  const executables = executablesIn(folder, 1);
  const runs = ["1", "2"].map((id) => executables.run(runOf("f", { id }), never));
  await expect.poll(() => existsSync(join(folder.path, "begun-1"))).toBe(true);
  await executables[Symbol.asyncDispose]();
  expect(await Promise.all(runs)).toEqual([
    { status: "failed", reason: "it was stopped" },
    { status: "failed", reason: "it was stopped before it began" },
  ]);
});
