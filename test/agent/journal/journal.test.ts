import { expect, test } from "vitest";
import { createJournal } from "#agent/journal/journal.ts";
import type { PendingWrite, WriteOutcome } from "#agent/store/group-commit.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";

/** A store whose commits a test runs by hand. */
function world() {
  let contribute: () => readonly PendingWrite[] = () => [];
  const store = {
    contribute: (contributor: () => readonly PendingWrite[]) => (contribute = contributor),
    wake: () => undefined,
  } as unknown as NodeStore;
  const changes: (string | null)[] = [];
  const journal = createJournal(store, (refusing) => changes.push(refusing?.code ?? null));
  const commit = (outcome: WriteOutcome = { value: null }): readonly PendingWrite[] => {
    const writes = contribute();
    for (const write of writes) write.settle(outcome);
    return writes;
  };
  return { journal, commit, changes };
}

const item = (bytes: number) => ({ timeMs: 1, topic: "/data/x", payload: new Uint8Array(bytes), retain: false });
const full: WriteOutcome = { error: new FogbankError("FOGBANK_STORE_FULL", "full") };

test("one segment per stream and commit; each publisher hears after the commit", () => {
  const { journal, commit } = world();
  const heard: string[] = [];
  journal.append(1, item(5), false)?.wait({ stored: () => heard.push("a") });
  journal.append(2, item(5), false)?.wait({ stored: () => heard.push("b") });
  journal.append(1, item(5), false)?.wait({ stored: () => heard.push("c") });
  expect(heard).toEqual([]);
  const writes = commit();
  expect(writes.map(({ args }) => args)).toMatchObject([
    { streamId: 1, items: 2 },
    { streamId: 2, items: 1 },
  ]);
  expect(heard).toEqual(["a", "c", "b"]);
  expect(journal.stats()).toEqual({ appended: 3, refused: 0, dropped: 0, queuedBytes: 0 });
});

test("segments end at their bounds", () => {
  const { journal, commit } = world();
  for (let count = 0; count < limits.segmentItems + 1; count++) journal.append(1, item(1), true);
  journal.append(1, item(limits.segmentBytes), true);
  expect(commit().map(({ args }) => (args as { readonly items: number }).items)).toEqual([limits.segmentItems, 1, 1]);
});

test("a refused commit reaches every publisher, and the change is told once each way", () => {
  const { journal, commit, changes } = world();
  const heard: (string | undefined)[] = [];
  for (const outcome of [full, full, { value: null }]) {
    journal.append(1, item(5), false)?.wait({ stored: (error) => heard.push(error?.code) });
    commit(outcome);
  }
  expect(heard).toEqual(["FOGBANK_STORE_FULL", "FOGBANK_STORE_FULL", undefined]);
  expect(changes).toEqual(["FOGBANK_STORE_FULL", null]);
  expect(journal.stats()).toMatchObject({ appended: 1, refused: 2 });
});

test("before the commit the queue is bounded for those who do not wait; what is dropped is counted", () => {
  const { journal, commit } = world();
  const bytes = 256 * 1024;
  let taken = 0;
  while (journal.append(1, item(bytes), true) !== undefined) taken++;
  expect(taken * bytes).toBeLessThanOrEqual(limits.appendQueueBytes);
  expect(journal.stats().dropped).toBe(1);
  expect(journal.append(1, item(bytes), false)).toBeDefined();
  commit();
  expect(journal.append(1, item(bytes), true)).toBeDefined();
});

test("who asks after the commit hears at once", () => {
  const { journal, commit } = world();
  const receipt = journal.append(1, item(5), false);
  commit(full);
  const heard: (string | undefined)[] = [];
  receipt?.wait({ stored: (error) => heard.push(error?.code) });
  expect(heard).toEqual(["FOGBANK_STORE_FULL"]);
});
