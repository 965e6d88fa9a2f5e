// What every SessionStore does. Called by the test of each implementation with a way to open an empty one.
import { expect, test } from "vitest";
import type { QueueBound } from "#agent/store/queue-repository.ts";
import { FogbankError } from "#shared/errors.ts";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { SessionBatch, Spool, SpooledMessage } from "#shared/system/session-store.ts";
import {
  contentOf,
  inScene,
  messageOf,
  pagesOf,
  progress,
  put,
  received,
  retain,
  spoolsOf,
  subscribe,
  type OpenWorld,
  type Scene,
} from "../fakes/session-store-scene.ts";

const wide: QueueBound = { messages: 1_000_000, bytes: 1e9 };

type Say = (behaviour: string, play: (scene: Scene) => Promise<void>, bound?: QueueBound) => void;

export function testSessionStore(name: string, openWorld: OpenWorld): void {
  const say: Say = (behaviour, play, bound = wide) => {
    test(`${name}: ${behaviour}`, () => inScene(openWorld, bound, play), 60_000);
  };
  sayWhatComesBack(say);
  sayWhatIsGone(say);
  sayWhatWaits(say);
  sayWhatLeaves(say);
  sayWhatRoomIsLeft(say);
  sayWhatIsDropped(say);
  sayWhatElseIsDropped(say);
  sayWhatIsRetained(say);
  sayWhatFails(say);
}

function sayWhatComesBack(say: Say): void {
  say("is empty at first", async ({ store }) => {
    expect(await store.sessions()).toEqual([]);
    expect(await store.queue(1, 1, 1e9)).toEqual([]);
    expect(await store.retained("", 1e9)).toEqual([]);
  });

  say("sessions come back with subscriptions and received ids, in order of their ids", async (scene) => {
    await scene.change(
      put(12, "later"),
      put(3, "first"),
      subscribe(3, "b/#", { qos: 2, noLocal: true, retainHandling: 2, subscriptionId: 268_435_455 }),
      subscribe(3, "a/+", { retainAsPublished: true, retainHandling: 1 }),
      subscribe(3, "c", {}),
      subscribe(3, "c", { qos: 0 }),
      { type: "unsubscribe", session: 3, filter: "never" },
      ...[65_535, 7, 9, 7].map((packetId) => received(3, packetId)),
      received(3, 9, false),
    );
    const renamed = { ...put(12, "renamed").session, expirySeconds: 5, disconnectedAtMs: 77, owner: "user", lost: 9 };
    await scene.change({ type: "put", session: renamed });
    await scene.restart();
    const fresh = { progress: { cursor: 0, done: [], released: [], sent: 0 }, last: 0 };
    const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionId: 0 };
    const subscriptions = [
      { ...plain, filter: "a/+", qos: 1, retainAsPublished: true, retainHandling: 1 },
      { ...plain, filter: "b/#", qos: 2, noLocal: true, retainHandling: 2, subscriptionId: 268_435_455 },
      { ...plain, filter: "c", qos: 0 },
    ];
    expect(await scene.store.sessions()).toEqual([
      { ...put(3, "first").session, subscriptions, received: [7, 65_535], ...fresh },
      { ...renamed, subscriptions: [], received: [], ...fresh },
    ]);
    await scene.change({ type: "unsubscribe", session: 3, filter: "b/#" });
    const [first] = await scene.store.sessions();
    expect(first?.subscriptions.map(({ filter }) => filter)).toEqual(["a/+", "c"]);
  });

  say("the highest number outlives an empty queue", async (scene) => {
    await scene.commit({ changes: [put(1)], spools: spoolsOf(1, 1, 30) });
    await scene.change(progress(1, { cursor: 30, sent: 30 }));
    await scene.restart();
    expect(await scene.numbers(1)).toEqual([]);
    expect(await scene.store.sessions()).toMatchObject([{ id: 1, last: 30 }]);
    // Done with before it was stored: nothing waits, but the numbers are given.
    const outcome = await scene.commit({
      changes: [progress(1, { cursor: 35, sent: 35 })],
      spools: spoolsOf(1, 31, 4),
    });
    expect(outcome).toEqual({ dropped: [], queuedMessages: 0, queuedBytes: 0 });
    expect(await scene.store.sessions()).toMatchObject([{ id: 1, last: 34 }]);
  });
}

function sayWhatIsGone(say: Say): void {
  say("what belongs to a session that is not there is left out", async (scene) => {
    const changes = [
      subscribe(9, "a", {}),
      received(9, 1),
      progress(9, { cursor: 5 }),
      { type: "end", session: 9 } as const,
      put(1),
    ];
    const outcome = await scene.commit({ changes, spools: [...spoolsOf(9, 1, 3), ...spoolsOf(1, 1, 2)] });
    expect(outcome).toMatchObject({ queuedMessages: 2 });
    await scene.change(put(9));
    expect(await scene.store.sessions()).toMatchObject([
      { id: 1 },
      { id: 9, subscriptions: [], received: [], last: 0 },
    ]);
    expect(await scene.numbers(9)).toEqual([]);
  });

  say("a session that ends takes everything with it", async (scene) => {
    const before = await scene.world.usedBytes();
    await scene.commit({
      changes: [put(1), put(2), subscribe(1, "a", {}), received(1, 5), subscribe(2, "b", {})],
      spools: [...spoolsOf(1, 1, 4, { payloadBytes: 50_000 }), ...spoolsOf(2, 1, 1)],
    });
    const outcome = await scene.change({ type: "end", session: 1 });
    expect(outcome).toMatchObject({ dropped: [], queuedMessages: 1 });
    expect(await scene.world.usedBytes()).toBeLessThan(before + 50_000);
    await scene.change(put(1));
    await scene.restart();
    expect(await scene.store.sessions()).toMatchObject([
      { id: 1, subscriptions: [], received: [], progress: { cursor: 0 }, last: 0 },
      { id: 2, subscriptions: [{ filter: "b" }] },
    ]);
    expect(await scene.numbers(1)).toEqual([]);
    expect(await scene.numbers(2)).toEqual([1]);
  });
}

function sayWhatWaits(say: Say): void {
  say("a queued message comes back as it was", async (scene) => {
    const message: SpooledMessage = {
      topic: "plant/élan/\u{1f32b}",
      payload: Uint8Array.of(0, 255, 7),
      qos: 2,
      properties: Uint8Array.of(1, 1),
      expiresAtMs: 1_900_000_000_000,
    };
    const builder = new SpoolBuilder();
    builder.add(message);
    builder.enqueue(1, 1, 2, true, [7, 268_435_455], 0);
    builder.enqueue(2, 41, 1, false, [], 0);
    builder.add(messageOf(0));
    builder.enqueue(2, 42, 1, false, [], 0, "$share/groups/plant/#");
    await scene.commit({ changes: [put(1), put(2)], spools: builder.finish() });
    await scene.restart();
    expect(await scene.store.queue(1, 1, 1e9)).toEqual([
      { number: 1, message, qos: 2, retain: true, subscriptionIds: [7, 268_435_455] },
    ]);
    expect(await scene.store.queue(2, 1, 1e9)).toEqual([
      { number: 41, message, qos: 1, retain: false, subscriptionIds: [] },
      { number: 42, message: messageOf(0), qos: 1, retain: false, subscriptionIds: [], group: "$share/groups/plant/#" },
    ]);
  });

  say("a queue is read from a number on, in order over many commits, by bytes", async (scene) => {
    await scene.change(put(1), put(2));
    for (let first = 1; first <= 91; first += 10) {
      await scene.commit({ spools: [...spoolsOf(1, first, 10, { payloadBytes: 97 }), ...spoolsOf(2, first, 10)] });
    }
    await scene.restart();
    const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at);
    expect(await scene.numbers(1)).toEqual(range(1, 100));
    expect(await scene.numbers(1, 35, 1_000)).toEqual(range(35, 44)); // of 100 bytes each
    expect(await scene.numbers(1, 35, 1_099)).toEqual(range(35, 44));
    expect(await scene.numbers(1, 100, 0)).toEqual([100]);
    expect(await scene.numbers(1, 101)).toEqual([]);
  });

  say("one spool may hold a session's numbers with gaps, and one commit many spools", async (scene) => {
    const builder = new SpoolBuilder();
    for (const number of [1, 2, 5, 6, 9]) {
      builder.add(messageOf(1));
      builder.enqueue(1, number, 1, false, [], 0);
    }
    const outcome = await scene.commit({ changes: [put(1)], spools: [...builder.finish(), ...spoolsOf(1, 10, 2_500)] });
    expect(outcome).toEqual({ dropped: [], queuedMessages: 2_505, queuedBytes: 5 * 4 + 2_500 * 4 });
    expect(await scene.numbers(1, 2, 20)).toEqual([2, 5, 6, 9, 10]);
    expect(await scene.numbers(1, 3, 4)).toEqual([5]);
    expect(await scene.numbers(1, 2_508)).toEqual([2_508, 2_509]);
  });
}

function sayWhatLeaves(say: Say): void {
  say("a message is stored once for many sessions and leaves with the last", async (scene) => {
    const sessions = Array.from({ length: 20 }, (_, index) => index + 1);
    await scene.change(...sessions.map((session) => put(session)));
    const before = await scene.world.usedBytes();
    const builder = new SpoolBuilder();
    builder.add(messageOf(200_000));
    for (const session of sessions) builder.enqueue(session, 1, 1, false, [], 0);
    await scene.commit({ spools: builder.finish() });
    const grown = (await scene.world.usedBytes()) - before;
    expect(grown).toBeGreaterThan(190_000);
    expect(grown).toBeLessThan(300_000);
    await scene.change(...sessions.slice(2).map((session) => progress(session, { cursor: 1, sent: 1 })), {
      type: "end",
      session: 1,
    });
    expect((await scene.world.usedBytes()) - before).toBeGreaterThan(190_000);
    expect(await scene.store.queue(2, 1, 1)).toMatchObject([{ number: 1 }]);
    const outcome = await scene.change(progress(2, { cursor: 1, sent: 1 }));
    expect(outcome).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
    expect((await scene.world.usedBytes()) - before).toBeLessThan(50_000);
  });

  say("what is done with above a hole does not wait, and leaves with its commit's messages", async (scene) => {
    await scene.commit({ changes: [put(1)], spools: spoolsOf(1, 1, 4) });
    await scene.commit({ spools: spoolsOf(1, 5, 4) });
    const holes = {
      cursor: 1,
      done: [
        [3, 5],
        [7, 7],
      ] as const,
      released: [2, 6],
      sent: 8,
    };
    expect(await scene.change(progress(1, holes))).toMatchObject({ queuedMessages: 8 });
    await scene.restart();
    expect(await scene.numbers(1)).toEqual([2, 6, 8]);
    expect(await scene.store.sessions()).toMatchObject([{ progress: holes, last: 8 }]);
    expect(await scene.change(progress(1, { cursor: 5, released: [6], sent: 8 }))).toMatchObject({ queuedMessages: 4 });
    expect(await scene.numbers(1)).toEqual([6, 7, 8]);
    expect(await scene.change(progress(1, { cursor: 8, sent: 8 }))).toMatchObject({
      queuedMessages: 0,
      queuedBytes: 0,
    });
  });
}

/** Two messages of each commit wait for both sessions; only the first gets the many large ones. */
function mixedSpools(commit: number, large: number): readonly Spool[] {
  const builder = new SpoolBuilder();
  const perCommit = large + 2;
  for (let index = 0; index < perCommit; index++) {
    const isForBoth = index === 0 || index === large;
    builder.add(isForBoth ? messageOf(index % 7) : messageOf(2_048));
    builder.enqueue(1, commit * perCommit + index + 1, 1, false, [], 0);
    if (isForBoth) builder.enqueue(2, commit * 2 + (index === 0 ? 1 : 2), 1, false, [], 0);
  }
  return builder.finish();
}

function sayWhatRoomIsLeft(say: Say): void {
  say("an absent session's few small messages do not hold on to the large ones beside them", async (scene) => {
    await scene.change(put(1), put(2));
    const before = await scene.world.usedBytes();
    const [commits, large] = [150, 40];
    for (let commit = 0; commit < commits; commit++) {
      const cursor = commit * (large + 2);
      const acknowledged = commit === 0 ? [] : [progress(1, { cursor, sent: cursor })];
      await scene.commit({ changes: acknowledged, spools: mixedSpools(commit, large) });
    }
    const all = commits * (large + 2);
    const { queuedMessages } = await scene.change(progress(1, { cursor: all, sent: all }));
    expect(queuedMessages).toBe(commits * 2);
    // 12 MB went through; a few pages and rows of 300 messages are left.
    expect((await scene.world.usedBytes()) - before).toBeLessThan(200_000);
    await scene.restart();
    const waiting = await scene.store.queue(2, 1, 1e9);
    const lengths = waiting.map(({ message }) => message.payload.length);
    expect(lengths).toEqual(Array.from({ length: commits * 2 }, (_, index) => (index % 2 === 0 ? 0 : large % 7)));
    const outcome = await scene.change(progress(2, { cursor: commits * 2, sent: commits * 2 }));
    expect(outcome).toMatchObject({ queuedMessages: 0, queuedBytes: 0 });
    expect((await scene.world.usedBytes()) - before).toBeLessThan(20_000);
  });

  say(
    "what a long absent session is done with all at once is given back, over commits and a restart",
    async (scene) => {
      await scene.change(put(1), put(2));
      const before = await scene.world.usedBytes();
      const [commits, large] = [150, 40];
      for (let commit = 0; commit < commits; commit++) await scene.commit({ spools: mixedSpools(commit, large) });
      expect((await scene.world.usedBytes()) - before).toBeGreaterThan(12_000_000);
      await scene.change({ type: "end", session: 1 });
      await scene.restart();
      expect(await scene.numbers(2)).toHaveLength(commits * 2);
      for (let round = 0; round < 10; round++) await scene.change(put(3));
      expect((await scene.world.usedBytes()) - before).toBeLessThan(200_000);
      expect((await scene.store.queue(2, 1, 1e9)).map(({ message }) => message.payload.length % 7)).toHaveLength(
        commits * 2,
      );
    },
  );
}

const ten: QueueBound = { messages: 10, bytes: 1e9 };

function sayWhatIsDropped(say: Say): void {
  say(
    "a queue holds its bound; beyond it the oldest messages go, exactly as many as needed",
    async (scene) => {
      const full = await scene.commit({
        changes: [put(1), put(2)],
        spools: [...spoolsOf(1, 1, 10), ...spoolsOf(2, 1, 1)],
      });
      expect(full).toMatchObject({ dropped: [], queuedMessages: 11 });
      const over = await scene.commit({ spools: spoolsOf(1, 11, 3) });
      expect(over).toEqual({
        dropped: [{ session: 1, first: 1, last: 3, messages: 3 }],
        queuedMessages: 11,
        queuedBytes: 11 * 4,
      });
      await scene.restart();
      expect(await scene.numbers(1)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
      expect(await scene.numbers(2)).toEqual([1]);
      expect(await scene.store.sessions()).toMatchObject([{ progress: { cursor: 0, done: [[1, 3]] }, last: 13 }, {}]);
      // Over several commits' messages at once, and more than the bound in one commit.
      const { dropped } = await scene.commit({ spools: spoolsOf(1, 14, 25) });
      expect(dropped).toEqual([{ session: 1, first: 4, last: 28, messages: 25 }]);
      expect(await scene.numbers(1)).toEqual([29, 30, 31, 32, 33, 34, 35, 36, 37, 38]);
    },
    ten,
  );

  say(
    "what may be on its way is never dropped",
    async (scene) => {
      await scene.commit({ changes: [put(1)], spools: spoolsOf(1, 1, 10) });
      await scene.change(progress(1, { cursor: 2, sent: 4 }));
      // 1 and 2 only stand there because their commit's messages do: they go first, and are not lost.
      expect(await scene.commit({ spools: spoolsOf(1, 11, 2, { sent: 6 }) })).toMatchObject({
        dropped: [],
        queuedMessages: 10,
      });
      expect(await scene.commit({ spools: spoolsOf(1, 13, 1, { sent: 6 }) })).toMatchObject({
        dropped: [{ session: 1, first: 7, last: 7, messages: 1 }],
        queuedMessages: 10,
      });
      expect(await scene.numbers(1)).toEqual([3, 4, 5, 6, 8, 9, 10, 11, 12, 13]);
      expect(await scene.commit({ spools: spoolsOf(1, 14, 4, { sent: 17 }) })).toMatchObject({
        dropped: [],
        queuedMessages: 14,
      });
      await scene.change(progress(1, { cursor: 13, sent: 17 }));
      expect(await scene.numbers(1)).toEqual([14, 15, 16, 17]);
      expect(await scene.change(progress(1, { cursor: 17, sent: 17 }))).toMatchObject({
        queuedMessages: 0,
        queuedBytes: 0,
      });
    },
    ten,
  );
}

function sayWhatElseIsDropped(say: Say): void {
  say(
    "what was stored as sent is not dropped either, and what is done with is not lost when it goes",
    async (scene) => {
      await scene.commit({ changes: [put(1)], spools: spoolsOf(1, 1, 10) });
      await scene.change(
        progress(1, {
          done: [
            [5, 6],
            [8, 8],
          ],
          sent: 3,
        }),
      );
      expect(await scene.commit({ spools: spoolsOf(1, 11, 5) })).toMatchObject({
        dropped: [{ session: 1, first: 4, last: 7, messages: 2 }],
      });
      expect(await scene.numbers(1)).toEqual([1, 2, 3, 9, 10, 11, 12, 13, 14, 15]);
      expect(await scene.store.sessions()).toMatchObject([{ progress: { cursor: 0, done: [[4, 8]] } }]);
    },
    ten,
  );

  say(
    "a queue holds its bytes, of topics and payloads",
    async (scene) => {
      await scene.change(put(1));
      const sizes = [27, 7, 17, 37]; // and 3 of the topic: 100 together
      for (const [index, payloadBytes] of sizes.entries()) {
        expect(await scene.commit({ spools: spoolsOf(1, index + 1, 1, { payloadBytes }) })).toMatchObject({
          dropped: [],
        });
      }
      expect(await scene.commit({ spools: spoolsOf(1, 5, 1, { payloadBytes: 28 }) })).toEqual({
        dropped: [{ session: 1, first: 1, last: 2, messages: 2 }],
        queuedMessages: 3,
        queuedBytes: 20 + 40 + 31,
      });
    },
    { messages: 100, bytes: 100 },
  );

  say(
    "a message that one session lost still waits for another",
    async (scene) => {
      const builder = new SpoolBuilder();
      for (let number = 1; number <= 9; number++) {
        builder.add(messageOf(number));
        builder.enqueue(1, number, 1, false, [], 0);
        if (number <= 3) builder.enqueue(2, number, 1, false, [], 0);
      }
      await scene.commit({ changes: [put(1), put(2)], spools: builder.finish() });
      await scene.commit({ spools: spoolsOf(1, 10, 10) });
      expect(await scene.numbers(1)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
      expect(await scene.store.queue(2, 1, 1e9)).toMatchObject(
        [1, 2, 3].map((number) => ({ number, message: messageOf(number) })),
      );
    },
    ten,
  );
}

function sayWhatIsRetained(say: Say): void {
  say(
    "retained messages are set, replaced and removed, and come back in order of their topics' bytes",
    async (scene) => {
      const topics = ["b", "a/b", "\u{ff5e}", "\u{1f32b}", "a", "é"];
      await scene.commit({ retained: topics.map((topic, index) => retain(topic, index)) });
      await scene.commit({
        retained: [{ topic: "b", message: null }, retain("a", 9), { topic: "never", message: null }],
      });
      await scene.restart();
      const expected = [
        retain("a", 9),
        retain("a/b", 1),
        retain("é", 5),
        retain("\u{ff5e}", 2),
        retain("\u{1f32b}", 3),
      ];
      expect(await scene.store.retained("", 1e9)).toEqual(expected);
      expect(await scene.store.retained("a/b", 1e9)).toEqual(expected.slice(2));
      expect(await scene.store.retained("\u{1f32b}", 1e9)).toEqual([]);
    },
  );

  say("retained messages are read in pages of about the bytes asked for", async (scene) => {
    const retained = Array.from({ length: 20 }, (_, index) => retain(`t${String(index).padStart(2, "0")}`, 100));
    await scene.commit({ retained: retained.toReversed() });
    const pages = await pagesOf(scene.store, 500);
    expect(pages.flat()).toEqual(retained);
    expect(pages.length).toBeGreaterThan(4);
    expect(pages.length).toBeLessThan(10);
    expect((await pagesOf(scene.store, 1)).map((page) => page.length)).toEqual(retained.map(() => 1));
  });
}

function sayWhatFails(say: Say): void {
  say("a commit that fails changes nothing, and the next one works", async (scene) => {
    await scene.commit({
      changes: [put(1), put(2), subscribe(1, "a", {})],
      spools: [...spoolsOf(1, 1, 5), ...spoolsOf(2, 1, 5)],
      retained: [retain("a", 1)],
    });
    const before = await contentOf(scene.store);
    scene.world.failNext();
    const batch: Partial<SessionBatch> = {
      changes: [
        put(3),
        { type: "end", session: 2 },
        subscribe(1, "b", {}),
        received(1, 1),
        progress(1, { cursor: 5, sent: 5 }),
      ],
      spools: [...spoolsOf(1, 6, 3), ...spoolsOf(3, 1, 3)],
      retained: [retain("a", 2), retain("b", 2)],
    };
    await expect(scene.commit(batch)).rejects.toBeInstanceOf(FogbankError);
    expect(await contentOf(scene.store)).toEqual(before);
    expect(await scene.change()).toEqual({ dropped: [], queuedMessages: 10, queuedBytes: 40 });
    expect(await scene.change(progress(1, { cursor: 5, sent: 5 }))).toMatchObject({ queuedMessages: 5 });
  });
}
