import { expect, test } from "vitest";
import { DurableBatch, type BatchEvents } from "#agent/broker/durable-batch.ts";
import { publicationOf, type Publication } from "#agent/broker/publication.ts";
import { Session } from "#agent/broker/session.ts";
import { FogbankError } from "#shared/errors.ts";
import { decodeEntries } from "#shared/mqtt/spool.ts";
import type { StoreWaiter } from "#shared/system/bus.ts";
import type { BatchOutcome, BatchSource, SessionBatch, SessionStore } from "#shared/system/session-store.ts";

const outcome: BatchOutcome = { dropped: [], queuedMessages: 0, queuedBytes: 0 };
const failure = { error: new FogbankError("FOGBANK_STORE_FAILED", "full") };

interface Bench {
  readonly batch: DurableBatch;
  /** What happened, in order. */
  readonly told: string[];
  /** How often the store was woken. */
  readonly woken: () => number;
  readonly waiter: (name: string) => StoreWaiter;
}

function bench(): Bench {
  const told: string[] = [];
  let wakes = 0;
  let source: BatchSource | undefined;
  const store = {
    contribute: (one: BatchSource) => void (source = one),
    wake: () => void wakes++,
  } as Partial<SessionStore> as SessionStore;
  const events: BatchEvents = {
    progressed: () => undefined,
    stored: (session, number, deliveries) =>
      void told.push(`${session.clientId} up to ${number} in memory ${deliveries.map((one) => one.number).join()}`),
    dropped: ({ session, messages }) => void told.push(`session ${session} lost ${messages}`),
  };
  const batch = new DurableBatch(store, events);
  expect(source).toBe(batch);
  return {
    batch,
    told,
    woken: () => wakes,
    waiter: (name) => ({
      stored: (error) => void told.push(error === null ? name : `${name} failed: ${error.message}`),
    }),
  };
}

function message(text: string): Publication {
  return publicationOf({ topic: "a", payload: Buffer.from(text), qos: 1 }, false);
}

function numbersOf({ spools }: SessionBatch, session: number): readonly number[] {
  const queues = spools.flatMap((spool) => spool.queues).filter((queue) => queue.session === session);
  return queues.flatMap(({ first, entries }) => (decodeEntries(entries) ?? []).map((_, at) => first + at));
}

test("there is nothing to collect when nothing has changed", () => {
  const { batch, woken } = bench();
  expect(batch.collect()).toBe(undefined);
  batch.wake();
  expect(woken()).toBe(0);
  batch.moved(new Session("a", 1, 60, ""));
  expect(woken()).toBe(0); // it goes along with whatever comes next
  batch.wake();
  expect([woken(), batch.collect()?.changes.length]).toEqual([1, 1]);
});

test("a message is stored once for all of its sessions, with a number for each", () => {
  const { batch } = bench();
  const [first, second] = [new Session("first", 1, 60, ""), new Session("second", 2, 60, "")];
  for (const text of ["one", "two"]) {
    const publication = message(text);
    for (const session of [first, second]) batch.enqueue(session, publication, 1, false, []);
  }
  batch.enqueue(second, message("three"), 2, true, [7]);
  const collected = batch.collect();
  expect(collected && [numbersOf(collected, 1), numbersOf(collected, 2)]).toEqual([
    [1, 2],
    [1, 2, 3],
  ]);
  expect(collected?.spools).toHaveLength(1);
  const body = Buffer.from(collected?.spools[0]?.body ?? []).toString("latin1");
  expect(body.split("one")).toHaveLength(2);
  expect([first.last, second.last]).toEqual([2, 3]);
});

test("waiters are told first, in order: of messages, of changes; then what was dropped, then deliveries", () => {
  const { batch, told, waiter } = bench();
  const [away, here] = [new Session("away", 1, 60, ""), new Session("here", 2, 60, "")];
  here.connection = {} as NonNullable<Session["connection"]>;
  batch.wait(waiter("change 1"));
  batch.enqueue(away, message("x"), 1, false, []);
  batch.enqueue(here, message("y"), 1, false, []);
  batch.waitForMessages(waiter("message 1"));
  batch.waitForMessages(waiter("message 2"));
  batch.wait(waiter("change 2"));
  batch.collect();
  expect(told).toEqual([]);
  batch.settle({ dropped: [{ session: 1, first: 1, last: 1, messages: 1 }], queuedMessages: 5, queuedBytes: 50 });
  expect(told).toEqual([
    "message 1",
    "message 2",
    "change 1",
    "change 2",
    "session 1 lost 1",
    "away up to 1 in memory ",
    "here up to 1 in memory 1",
  ]);
  expect([batch.queuedMessages, batch.queuedBytes]).toEqual([5, 50]);
});

test("batches settle in the order in which they were collected; what comes meanwhile is in the next", () => {
  const { batch, told, waiter } = bench();
  for (const name of ["one", "two"]) {
    batch.change({ type: "end", session: 1 });
    batch.wait(waiter(name));
    expect(batch.collect()?.changes).toHaveLength(1);
  }
  batch.wait(waiter("three"));
  batch.settle(outcome);
  expect(told).toEqual(["one"]);
  batch.settle(failure);
  expect(told).toEqual(["one", "two failed: full"]);
  expect(batch.collect()?.changes).toHaveLength(1); // of the second
  batch.settle(outcome);
  batch.collect();
  batch.settle(outcome);
  expect(told.at(-1)).toBe("three");
  expect(() => batch.settle(outcome)).toThrow("assertion failed");
});

test("a commit that fails with messages is tried again without them, before anything newer; who waits for changes goes on waiting", () => {
  const { batch, told, woken, waiter } = bench();
  const session = new Session("s", 1, 60, "");
  batch.change({ type: "received", session: 1, packetId: 1, isPresent: true });
  batch.enqueue(session, message("x"), 1, false, []);
  batch.waitForMessages(waiter("message"));
  batch.wait(waiter("change"));
  batch.moved(session);
  batch.retain({ topic: "r", message: null });
  batch.collect();
  batch.change({ type: "received", session: 1, packetId: 2, isPresent: true });
  const before = woken();
  batch.settle(failure);
  expect([told, woken() - before]).toEqual([["message failed: full"], 1]);
  const again = batch.collect();
  const changesOf = (found: ReturnType<typeof batch.collect>) =>
    found?.changes.map((change) => (change.type === "received" ? change.packetId : change.type));
  expect(changesOf(again)).toEqual([1, "progress"]);
  expect([again?.spools, again?.retained]).toEqual([[], []]);
  expect(changesOf(batch.collect())).toEqual([2]);
  batch.settle(outcome);
  expect(told).toEqual(["message failed: full", "change"]);
  batch.settle(outcome);
});

test("a commit of changes alone that fails is told to who waits, and its changes go before the next", () => {
  const { batch, told, waiter } = bench();
  batch.change({ type: "unsubscribe", session: 1, filter: "a" });
  batch.wait(waiter("change"));
  batch.collect();
  batch.settle({ error: new Error("odd") });
  expect(told).toEqual(["change failed: odd"]);
  batch.change({ type: "unsubscribe", session: 1, filter: "b" });
  const collected = [batch.collect(), batch.collect()].flatMap((found) => found?.changes ?? []);
  expect(collected.map((change) => change.type === "unsubscribe" && change.filter)).toEqual(["a", "b"]);
});

test("a commit of messages alone that fails stands in nobody's way", () => {
  const { batch, told, waiter } = bench();
  const session = new Session("s", 1, 60, "");
  batch.enqueue(session, message("x"), 1, false, []);
  batch.waitForMessages(waiter("first"));
  batch.collect();
  batch.settle(failure);
  expect(batch.collect()).toBe(undefined);
  batch.enqueue(session, message("y"), 1, false, []);
  batch.waitForMessages(waiter("second"));
  expect(batch.collect()?.spools).toHaveLength(1);
  batch.settle(outcome);
  expect(told.slice(0, 2)).toEqual(["first failed: full", "second"]);
});

test("a message that goes on into the next batch is stored there, too", () => {
  const { batch } = bench();
  const [first, second] = [new Session("first", 1, 60, ""), new Session("second", 2, 60, "")];
  const publication = message("x");
  batch.enqueue(first, publication, 1, false, []);
  expect(batch.collect()?.spools).toHaveLength(1);
  batch.enqueue(second, publication, 1, false, []);
  const collected = batch.collect();
  expect(Buffer.from(collected?.spools[0]?.body ?? []).includes("x")).toBe(true);
});

test("the progress of a session that has ended is of no interest", () => {
  const { batch } = bench();
  const session = new Session("s", 1, 60, "");
  batch.moved(session);
  session.hasEnded = true;
  expect(batch.collect()?.changes).toEqual([]);
});
