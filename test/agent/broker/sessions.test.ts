import { expect, test } from "vitest";
import type { Delivery } from "#agent/broker/delivery.ts";
import { Router } from "#agent/broker/router.ts";
import { neverExpires, type Session } from "#agent/broker/session.ts";
import { Sessions } from "#agent/broker/sessions.ts";
import { Subscription } from "#agent/broker/subscription.ts";
import { packetIdOf } from "#shared/mqtt/outgoing-window.ts";
import { limits } from "#shared/limits.ts";
import type { SessionChange } from "#shared/system/session-store.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { createMemorySessionStore, type MemorySessionStore } from "../../fakes/memory-session-store.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";
import { Committer, progress, put, received, spoolsOf, subscribe } from "../../fakes/session-store-scene.ts";

interface Bench {
  readonly sessions: Sessions;
  readonly router: Router;
  readonly clock: FakeClock;
  readonly changes: SessionChange[];
  readonly ended: string[];
}

function bench(store: MemorySessionStore = createMemorySessionStore()): Bench {
  const clock = new FakeClock();
  const router = new Router();
  const changes: SessionChange[] = [];
  const ended: string[] = [];
  const delivery = {
    batch: { change: (change: SessionChange) => void changes.push(change) },
    know: () => {},
    forget: () => {},
    redistribute: () => {},
  } as unknown as Delivery;
  const onEnd = ({ clientId }: Session): void => void ended.push(clientId);
  return {
    sessions: new Sessions({ clock, log: silentLogger(), router, delivery, store, onEnd }),
    router,
    clock,
    changes,
    ended,
  };
}

function subscription(session: Session, filter: string, router: Router): Subscription {
  const options = {
    filter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionId: 0,
  } as const;
  return new Subscription(session, options, router.groupOf(filter));
}

/** A new session where there is room for one. */
function begin(sessions: Sessions, clientId: string, expirySeconds: number, owner: string): Session {
  const session = sessions.begin(clientId, expirySeconds, owner);
  if (session === undefined) throw new Error("there is no room for another session");
  return session;
}

test("a session with an expiry has a number in the store, never the same one; others have none", () => {
  const { sessions, changes } = bench();
  const [first, passing, second] = [
    begin(sessions, "a", 60, ""),
    begin(sessions, "b", 0, ""),
    begin(sessions, "c", neverExpires, ""),
  ];
  expect([first.storeId, passing.storeId, second.storeId]).toEqual([1, 0, 2]);
  expect(sessions.durable).toBe(2);
  for (const session of [first, passing]) sessions.put(session);
  expect(changes).toMatchObject([{ type: "put", session: { id: 1, clientId: "a", expirySeconds: 60 } }]);
  sessions.end(first);
  expect(begin(sessions, "a", 60, "").storeId).toBe(3);
});

test("the same filter again replaces the subscription; the end takes all of them", () => {
  const { sessions, router, changes, ended } = bench();
  const session = begin(sessions, "a", 60, "");
  sessions.subscribe(subscription(session, "x", router));
  const newer = subscription(session, "x", router);
  sessions.subscribe(newer);
  sessions.subscribe(subscription(session, "$share/g/y", router));
  expect(router.routesOf(router.topicOf("x")).routes.map((route) => route.subscriptions)).toEqual([[newer]]);
  expect([sessions.unsubscribe(session, "none"), sessions.unsubscribe(session, "x")]).toEqual([false, true]);
  expect([router.hasSubscriber("x"), router.hasSubscriber("y")]).toEqual([false, true]);
  sessions.end(session);
  sessions.end(session);
  expect([router.hasSubscriber("y"), sessions.get("a"), sessions.durable]).toEqual([false, undefined, 0]);
  expect([ended, changes]).toEqual([
    ["a"],
    [
      { type: "unsubscribe", session: 1, filter: "x" },
      { type: "end", session: 1 },
    ],
  ]);
});

test("a session ends when its client has been away for its expiry, not before, and never if it has none", async () => {
  const { sessions, clock, ended } = bench();
  for (const [clientId, expirySeconds] of [
    ["short", 10],
    ["long", 100],
    ["never", neverExpires],
    ["here", 10],
  ] as const)
    begin(sessions, clientId, expirySeconds, "").disconnectedAtMs = clock.now();
  const here = sessions.get("here");
  if (here !== undefined) here.connection = {} as NonNullable<Session["connection"]>;
  await clock.advance(9_999);
  sessions.sweep();
  expect(ended).toEqual([]);
  await clock.advance(1);
  sessions.sweep();
  expect(ended).toEqual(["short"]);
  await clock.advance(10_000_000);
  sessions.sweep();
  expect(ended).toEqual(["short", "long"]);
});

test("one session too many ends the one whose client has been away for longest, if nothing waits for it [B2]", () => {
  const { sessions, ended } = bench();
  for (let at = 0; at < limits.sessions; at++)
    begin(sessions, `c${at}`, 60, "").disconnectedAtMs = 1_000 + ((at + 5_000) % limits.sessions);
  const longest = sessions.get("c5000");
  if (longest !== undefined) longest.connection = {} as NonNullable<Session["connection"]>; // it is back
  const next = sessions.get("c5001");
  if (next !== undefined) next.last = 1; // a message waits for it
  begin(sessions, "more", 60, "");
  expect([ended, sessions.durable]).toEqual([["c5002"], limits.sessions]);
  for (const session of sessions.all()) session.last = 1;
  expect(sessions.begin("too many", 60, "")).toBeUndefined();
  expect([ended, sessions.durable]).toEqual([["c5002"], limits.sessions]);
  expect(sessions.begin("passing", 0, "")).toBeDefined();
});

test("what is stored is taken up: subscriptions, what the client has received, and numbers", async () => {
  const store = createMemorySessionStore();
  const committer = new Committer(store);
  await committer.commit({
    changes: [
      put(7, "kept"),
      subscribe(7, "a/+", { qos: 2 }),
      subscribe(7, "$share/g/b", { qos: 1 }),
      received(7, 33),
      progress(7, { cursor: 2, done: [[4, 4]], released: [5], sent: 6 }),
    ],
    spools: spoolsOf(7, 1, 9),
  });
  const { sessions, router, clock } = bench(store.reopen());
  await sessions.load();
  const session = sessions.get("kept");
  if (session === undefined) throw new Error("it is not there");
  expect([router.hasSubscriber("a/x"), router.hasSubscriber("b"), sessions.durable]).toEqual([true, true, 1]);
  expect([...session.incoming.keys()]).toEqual([33]);
  expect([session.last, session.committed, session.disconnectedAtMs]).toEqual([9, 9, clock.now()]);
  const { window } = session;
  expect([window.cursor, window.isReleased(packetIdOf(5)), window.isUnsure(3), window.isUnsure(4)]).toEqual([
    2,
    true,
    true,
    false,
  ]);
  expect(window.next).toBe(10); // a crash: all of them may have been sent
  expect(begin(sessions, "new", 60, "").storeId).toBe(8);
});

test("what a crash has cut off is away since the start, for every later start as well", async () => {
  const store = createMemorySessionStore();
  const row = { ...put(7, "crashed").session, expirySeconds: 60 };
  await new Committer(store).commit({
    changes: [{ type: "put", session: row }, progress(7, { cursor: 2, done: [[4, 4]], sent: 4 })],
    spools: spoolsOf(7, 1, 9),
  });
  const first = bench(store.reopen());
  await first.sessions.load();
  const startedMs = first.clock.now();
  expect(first.changes).toEqual([
    { type: "put", session: { ...row, disconnectedAtMs: startedMs } },
    { type: "progress", session: 7, progress: { cursor: 2, done: [[4, 4]], released: [], sent: 9 } },
  ]);
  await new Committer(store.reopen()).commit({ changes: first.changes });
  const second = bench(store.reopen());
  await second.clock.advance(60_000);
  await second.sessions.load();
  expect(second.changes).toEqual([]);
  expect(second.sessions.get("crashed")?.window.next).toBe(10); // as many as may have been sent at the crash
  second.sessions.sweep();
  expect(second.ended).toEqual(["crashed"]);
});
