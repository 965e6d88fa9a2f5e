import { expect, test } from "vitest";
import { type DataDirectoryFacts, judgeDataDirectory } from "#agent/doctor/data-directory.ts";

const good: DataDirectoryFacts = {
  path: "/var/lib/fogbank",
  state: "there",
  place: "/var/lib/fogbank",
  isWritable: true,
  user: "fogbank",
  owner: "fogbank",
  mode: 0o750,
  strangers: [],
  lockedBy: undefined,
};

const judge = (facts: Partial<DataDirectoryFacts>) => judgeDataDirectory({ ...good, ...facts });
const levels = (facts: Partial<DataDirectoryFacts>) => judge(facts).map(({ level }) => level);

test("a folder of one's own is fine, also while its node runs", () => {
  expect(levels({})).toEqual(["ok"]);
  const lockedBy = { pid: 7, program: "fogbank", isNode: true };
  expect(judge({ lockedBy })).toMatchObject([
    { level: "ok", what: expect.stringContaining("this node (pid 7)") as string },
  ]);
  expect(levels({ lockedBy, isWritable: false, user: "maria" })).toEqual(["ok"]);
});

test("a folder that is not there yet needs a place where it can be made", () => {
  expect(levels({ state: "above", place: "/var/lib" })).toEqual(["ok"]);
  expect(judge({ state: "above", place: "/var/lib", isWritable: false, user: "maria" })).toMatchObject([
    { level: "problem", todo: expect.stringContaining("install -d -m 750 -o USER /var/lib/fogbank") as string },
  ]);
});

test("one that this user may not write in is a problem if it is the owner, a warning if the node may be another's", () => {
  expect(levels({ isWritable: false })).toEqual(["problem"]);
  expect(levels({ isWritable: false, user: "maria" })).toEqual(["warning"]);
});

test("files that root has left behind, and a folder open to everybody", () => {
  expect(judge({ strangers: [{ name: "fogbank.db", owner: "root" }] })).toMatchObject([
    { level: "warning", todo: "stop the node, then: chown -R fogbank /var/lib/fogbank" },
  ]);
  expect(levels({ mode: 0o755 })).toEqual(["advice"]);
  expect(levels({ mode: 0o777 })).toEqual(["warning"]);
});

test("a process that has the data and is no node that answers is named; what cannot be seen is said", () => {
  const lockedBy = { pid: 7, program: "sqlite3", isNode: false };
  expect(judge({ lockedBy })).toMatchObject([
    { level: "advice", what: expect.stringContaining("sqlite3 (pid 7)") as string },
  ]);
  expect(levels({ state: "hidden" })).toEqual(["advice"]);
  expect(levels({ state: "file" })).toEqual(["problem"]);
});
