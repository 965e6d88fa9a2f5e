// Holds a SessionStore to a plain model: the same random batches for both, and the same answers to everything that can be asked.
import fc from "fast-check";
import { expect, test } from "vitest";
import { FogbankError } from "#shared/errors.ts";
import { addInterval, emptyIntervals } from "#shared/journal/interval-set.ts";
import { SpoolBuilder } from "#shared/mqtt/spool.ts";
import type { RetainedChange, SessionBatch, SessionChange, Spool } from "#shared/system/session-store.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import {
  Committer,
  contentOf,
  inScene,
  messageOf,
  progress,
  put,
  received,
  subscribe,
  type OpenWorld,
  type Scene,
} from "../fakes/session-store-scene.ts";

/** Small, so that queues are full most of the time. */
const bound = { messages: 6, bytes: 120 };

export function testSessionStoreWithModel(name: string, openWorld: OpenWorld): void {
  test(`${name}: keeps what a plain model keeps, whatever is committed`, async () => {
    await fc.assert(
      fc.asyncProperty(anyBatches, (batches) => inScene(openWorld, bound, (scene) => compareWithModel(scene, batches))),
      { numRuns: 60 },
    );
  }, 120_000);
}

async function compareWithModel(
  scene: Scene,
  batches: readonly { readonly steps: readonly Step[]; readonly fails: boolean }[],
): Promise<void> {
  const model = createMemorySessionStore(bound);
  const expected = new Committer(model);
  const author = new Author();
  for (const started of [scene, expected]) await started.commit({ changes: sessionIds.map((id) => put(id)) });
  for (const { steps, fails } of batches) {
    // Each gets arrays of its own: a store may keep those that it is given.
    const batch = author.batchOf(steps);
    if (fails) {
      scene.world.failNext();
      await expect(scene.commit(batch)).rejects.toBeInstanceOf(FogbankError);
    } else {
      const outcome = await expected.commit(structuredClone(batch));
      expect(await scene.commit(batch)).toEqual(outcome);
    }
    expect(await contentOf(scene.store)).toEqual(await contentOf(model));
  }
  await scene.restart();
  expect(await contentOf(scene.store)).toEqual(await contentOf(model));
}

const sessionIds = [1, 2, 3];
const anySession = fc.constantFrom(...sessionIds);
const anyTopic = fc.constantFrom("a", "a/b", "é", "\u{ff5e}", "\u{1f32b}");
const anyPublish = fc.record({
  type: fc.constant("publish" as const),
  payloadBytes: fc.nat(40),
  sessions: fc.array(fc.record({ session: anySession, skipped: fc.constantFrom(0, 0, 0, 2), unsent: fc.nat(9) }), {
    maxLength: 6,
  }),
  closes: fc.boolean(),
});
const anyStep = fc.oneof(
  fc.record({ type: fc.constant("put" as const), session: anySession }),
  fc.record({ type: fc.constant("end" as const), session: anySession }),
  fc.record({
    type: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
    session: anySession,
    topic: anyTopic,
  }),
  fc.record({
    type: fc.constant("received" as const),
    session: anySession,
    packetId: fc.integer({ min: 1, max: 3 }),
    isPresent: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("progress" as const),
    session: anySession,
    cursor: fc.nat(9),
    done: fc.array(fc.nat(9), { maxLength: 4 }),
    sent: fc.nat(9),
  }),
  anyPublish,
  anyPublish,
  anyPublish,
  fc.record({ type: fc.constant("retain" as const), topic: anyTopic, payloadBytes: fc.option(fc.nat(40)) }),
);
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;
const anyBatches = fc.array(
  fc.record({ steps: fc.array(anyStep, { maxLength: 25 }), fails: fc.constantFrom(false, false, false, true) }),
  { maxLength: 12 },
);

/** Turns steps into batches as a broker would: numbers ascend, and what is done with has been given. */
class Author {
  readonly #last = new Map<number, number>();
  readonly #cursor = new Map<number, number>();

  batchOf(steps: readonly Step[]): SessionBatch {
    const changes: SessionChange[] = [];
    const retained: RetainedChange[] = [];
    const spools: Spool[] = [];
    const builder = new SpoolBuilder();
    for (const step of steps) {
      if (step.type === "publish") {
        this.#publish(builder, step);
        if (step.closes) spools.push(...builder.finish());
      } else if (step.type === "retain") {
        retained.push({ topic: step.topic, message: step.payloadBytes === null ? null : messageOf(step.payloadBytes) });
      } else {
        changes.push(this.#changeOf(step));
      }
    }
    return { changes, spools: [...spools, ...builder.finish()], retained };
  }

  #publish(builder: SpoolBuilder, { payloadBytes, sessions }: Step & { readonly type: "publish" }): void {
    builder.add(messageOf(payloadBytes));
    for (const { session, skipped, unsent } of sessions) {
      const number = (this.#last.get(session) ?? 0) + 1 + skipped;
      this.#last.set(session, number);
      builder.enqueue(
        session,
        number,
        unsent > 4 ? 1 : 2,
        unsent > 7,
        unsent > 8 ? [unsent] : [],
        Math.max(0, number - 3 * unsent),
        skipped > 0 ? `$share/g/${unsent}` : "",
      );
    }
  }

  #changeOf(step: Exclude<Step, { readonly type: "publish" | "retain" }>): SessionChange {
    switch (step.type) {
      case "put":
        return put(step.session);
      case "end":
        return { type: "end", session: step.session };
      case "subscribe":
        return subscribe(step.session, step.topic, {});
      case "unsubscribe":
        return { type: "unsubscribe", session: step.session, filter: step.topic };
      case "received":
        return received(step.session, step.packetId, step.isPresent);
      case "progress": {
        const last = this.#last.get(step.session) ?? 0;
        const cursor = Math.max(this.#cursor.get(step.session) ?? 0, last - step.cursor);
        this.#cursor.set(step.session, cursor);
        const above = step.done.map((ahead) => cursor + 2 + ahead).filter((number) => number <= last);
        const done = above.reduce((set, number) => addInterval(set, number, number), emptyIntervals);
        return progress(step.session, {
          cursor,
          done,
          released: [...new Set(above)].toSorted((a, b) => a - b),
          sent: Math.max(cursor, last - 3 * step.sent),
        });
      }
    }
  }
}
