import { expect, test } from "vitest";
import { createJournalNotices } from "#agent/journal/notices.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Message } from "#shared/system/bus.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

function world() {
  const clock = new FakeClock(0);
  const published: Message[] = [];
  const bus = { publish: async (message: Message) => void published.push(message) };
  const notices = createJournalNotices({ bus, clock, log: silentLogger() });
  const last = (): unknown => {
    const message = published.at(-1);
    return message === undefined ? undefined : JSON.parse(new TextDecoder().decode(message.payload));
  };
  return { clock, notices, published, last };
}

const full = new FogbankError("FOGBANK_STORE_FULL", "could not store a message: no room");
const lost = [{ origin: "pump-1", stream: "data", messages: 5, bytes: 500 }];

test("a retained notice tells since when and why publishes are refused, and when that is over", async () => {
  const { clock, notices, published, last } = world();
  await clock.advance(1_000);
  notices.refusing(full);
  expect(published).toMatchObject([{ topic: "/level/journal", qos: 1, retain: true }]);
  expect(last()).toEqual({ state: "refusing", since: "1970-01-01T00:00:01.000Z", reason: full.message });
  expect(notices.state().reason).toBe(full.message);
  await clock.advance(1_000);
  notices.refusing(null);
  expect(last()).toEqual({ state: "accepting", since: "1970-01-01T00:00:02.000Z" });
  expect(notices.state().reason).toBeUndefined();
});

test("what is given up is told with its streams and counts, from when it began until it is over", async () => {
  const { clock, notices, last } = world();
  await clock.advance(1_000);
  notices.evicting(lost);
  expect(last()).toEqual({ state: "evicting", since: "1970-01-01T00:00:01.000Z", lost });
  await clock.advance(1_000);
  const more = [{ origin: "pump-1", stream: "data", messages: 9, bytes: 900 }];
  notices.evicting(more);
  expect(last()).toEqual({ state: "evicting", since: "1970-01-01T00:00:01.000Z", lost: more });
  await clock.advance(1_000);
  notices.evicting([]);
  expect(last()).toEqual({ state: "accepting", since: "1970-01-01T00:00:03.000Z" });
});

test("a refusal goes before an eviction and gives way to it again", async () => {
  const { clock, notices, published, last } = world();
  notices.evicting(lost);
  await clock.advance(1_000);
  notices.refusing(full);
  expect(last()).toMatchObject({ state: "refusing", since: "1970-01-01T00:00:01.000Z", lost });
  const told = published.length;
  notices.evicting(lost);
  expect(published).toHaveLength(told);
  notices.refusing(null);
  expect(last()).toMatchObject({ state: "evicting", since: "1970-01-01T00:00:00.000Z" });
});

test("no more than ten streams are named", () => {
  const { notices, last } = world();
  notices.evicting(
    Array.from({ length: 30 }, (_, index) => ({ origin: `n${index}`, stream: "s", messages: 1, bytes: 1 })),
  );
  expect((last() as { readonly lost: readonly unknown[] }).lost).toHaveLength(10);
});

test("[O6] streams in many pieces are told once, named in the notice beside its state, and no longer when they are whole", () => {
  const { notices, published, last } = world();
  const one = { origin: "pump-1", epoch: 7, stream: "data", ranges: 65 };
  notices.scattered([]);
  expect(published).toEqual([]);
  notices.scattered([one]);
  expect(last()).toMatchObject({ state: "accepting", scattered: [one] });
  notices.scattered([{ ...one, ranges: 70 }]);
  expect(published).toHaveLength(1);
  expect(notices.state().scattered).toMatchObject([{ ranges: 70 }]);
  notices.scattered([]);
  expect(last()).not.toHaveProperty("scattered");
});
