import { expect, test } from "vitest";
import { GroupCommit, type Haste, type WriteOutcome, type WriteRequest } from "#agent/store/group-commit.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

/** A group commit over a disk that a test lets finish. */
function world(minCommitMs = 0) {
  const clock = new FakeClock();
  const commits: string[][] = [];
  const finish: (() => void)[] = [];
  const group = new GroupCommit({
    clock,
    turn: () => Promise.resolve(),
    minCommitMs,
    async run(requests: readonly WriteRequest[]): Promise<readonly WriteOutcome[]> {
      commits.push(requests.map(({ name }) => name));
      await new Promise<void>((resolve) => finish.push(resolve));
      return requests.map(({ name }) => (name === "bad" ? { error: new Error("no") } : { value: name }));
    },
  });
  const settled: string[] = [];
  const write = (name: string, haste?: Haste): void => {
    group.write(name, null, haste).then(
      (value) => settled.push(String(value)),
      () => settled.push(`${name} failed`),
    );
  };
  return { clock, commits, finish, group, settled, write };
}

test("one turn's writes share a commit; what comes during it shares the next; nothing settles before its commit", async () => {
  const { clock, commits, finish, settled, write } = world();
  write("a");
  write("b");
  await clock.advance(0);
  expect(commits).toEqual([["a", "b"]]);
  write("c");
  write("d");
  await clock.advance(0);
  expect(settled).toEqual([]);
  finish.shift()?.();
  await clock.advance(0);
  expect(settled).toEqual(["a", "b"]);
  expect(commits).toEqual([
    ["a", "b"],
    ["c", "d"],
  ]);
});

test("a slow disk makes the next commit wait for a tenth of that time, at most 5 ms", async () => {
  const { clock, commits, finish, write } = world();
  write("a");
  await clock.advance(30);
  write("b");
  finish.shift()?.();
  await clock.advance(2);
  expect(commits).toHaveLength(1);
  write("c");
  await clock.advance(1);
  expect(commits).toEqual([["a"], ["b", "c"]]);
});

test("a lazy write rides on the next commit, or goes alone after a while", async () => {
  const { clock, commits, finish, write } = world();
  write("lazy-1", "lazy");
  await clock.advance(100);
  expect(commits).toEqual([]);
  write("a");
  await clock.advance(0);
  expect(commits).toEqual([["a", "lazy-1"]]);
  finish.shift()?.();
  await clock.advance(0);
  write("lazy-2", "lazy");
  await clock.advance(200);
  expect(commits).toEqual([["a", "lazy-1"], ["lazy-2"]]);
});

test("a lazy write that follows from a commit makes no commit of its own before its time", async () => {
  const { clock, commits, finish, write } = world();
  write("a");
  await clock.advance(0);
  write("cursor", "lazy");
  finish.shift()?.();
  await clock.advance(100);
  expect(commits).toEqual([["a"]]);
  write("b");
  await clock.advance(0);
  expect(commits).toEqual([["a"], ["b", "cursor"]]);
});

test("a contributor is asked at the start of each commit", async () => {
  const { clock, commits, finish, group } = world();
  let gathered: string[] = [];
  const settled: string[] = [];
  group.contribute(() => gathered.splice(0).map((name) => ({ name, args: null, settle: () => settled.push(name) })));
  gathered = ["x"];
  group.wake();
  await clock.advance(0);
  gathered.push("y", "z");
  group.wake();
  finish.shift()?.();
  await clock.advance(0);
  finish.shift()?.();
  await clock.advance(0);
  expect(commits).toEqual([["x"], ["y", "z"]]);
  expect(settled).toEqual(["x", "y", "z"]);
});

test("one failed write does not sink its neighbours, and closing writes what is waiting and then refuses", async () => {
  const { clock, finish, group, settled, write } = world();
  write("a");
  write("bad");
  write("b");
  write("lazy", "lazy");
  const closing = group[Symbol.asyncDispose]();
  await clock.advance(0);
  finish.shift()?.();
  await closing;
  write("late");
  await clock.advance(0);
  expect(settled).toEqual(["a", "bad failed", "b", "lazy", "late failed"]);
});

test("kept apart, commits start a tenth of a second after each other, and nothing settles before its own", async () => {
  const { clock, commits, finish, settled, write } = world(100);
  write("a");
  await clock.advance(0);
  expect(commits).toEqual([["a"]]);
  finish.shift()?.();
  await clock.advance(30);
  write("b");
  await clock.advance(40);
  write("c");
  await clock.advance(29);
  expect(commits).toHaveLength(1);
  await clock.advance(1);
  expect(commits).toEqual([["a"], ["b", "c"]]);
  expect(settled).toEqual(["a"]);
  finish.shift()?.();
  await clock.advance(500);
  write("d");
  await clock.advance(0);
  expect(commits).toEqual([["a"], ["b", "c"], ["d"]]);
});

test("what is urgent goes at once and takes along what waits; the pause begins anew with it", async () => {
  const { clock, commits, finish, write } = world(100);
  write("a");
  await clock.advance(0);
  finish.shift()?.();
  await clock.advance(10);
  write("b");
  await clock.advance(10);
  write("alarm", "urgent");
  await clock.advance(0);
  expect(commits).toEqual([["a"], ["b", "alarm"]]);
  finish.shift()?.();
  await clock.advance(10);
  write("c");
  await clock.advance(80);
  expect(commits).toHaveLength(2);
  await clock.advance(10);
  expect(commits).toEqual([["a"], ["b", "alarm"], ["c"]]);
});

test("urgent during a commit: the next one follows it without a pause", async () => {
  const { clock, commits, finish, group, write } = world(100);
  write("a");
  await clock.advance(0);
  write("b");
  group.wake("urgent");
  finish.shift()?.();
  await clock.advance(0);
  expect(commits).toEqual([["a"], ["b"]]);
});

test("closing does not wait for the pause", async () => {
  const { clock, commits, finish, group, write } = world(100);
  write("a");
  await clock.advance(0);
  finish.shift()?.();
  await clock.advance(10);
  write("b");
  await clock.advance(0);
  const closing = group[Symbol.asyncDispose]();
  await clock.advance(0);
  expect(commits).toEqual([["a"], ["b"]]);
  finish.shift()?.();
  await closing;
  expect(clock.sleepers).toBe(0);
});
