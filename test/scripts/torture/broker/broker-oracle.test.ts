import { expect, test } from "vitest";
import { judge } from "../../../../scripts/torture/broker/broker-oracle.ts";
import { FaultLog } from "../../../../scripts/torture/broker/fault-log.ts";
import type { Delivery, PublisherRecord, Span, SubscriberRecord } from "../../../../scripts/torture/broker/record.ts";
import { createMessagePlan } from "../../../../scripts/torture/message-plan.ts";
import { seeded } from "../../../../scripts/torture/seeded.ts";

const count = 20;

/** Messages 1 to `count` on one topic: number n goes out at 100 n, and is acknowledged at 100 n + 10. */
function published(qos: 1 | 2, { retain = false, name = `p${qos}` } = {}): PublisherRecord {
  const plan = createMessagePlan(seeded(1), name, ["t/a"]);
  const publications = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    topic: "t/a",
    firstSentAt: (index + 1) * 100,
    acknowledgedAt: (index + 1) * 100 + 10,
    sends: 1,
  }));
  return { plan, qos, retain, publications };
}

function subscribed(qos: 1 | 2, deliveries: readonly Delivery[], more: Partial<Span> = {}): SubscriberRecord {
  const span: Span = { filter: "t/#", askedAt: 1, heldAt: 2, releasedAt: undefined, goneAt: undefined, ...more };
  return { name: "s", qos, isMember: false, spans: [span], deliveries: [...deliveries] };
}

function delivered(qos: 1 | 2, numbers: readonly number[], name = `p${qos}`): Delivery[] {
  return numbers.map((number) => ({
    publisher: name,
    number,
    topic: "t/a",
    qos,
    isRetained: false,
    at: number * 100 + 50,
  }));
}

const all = Array.from({ length: count }, (_, index) => index + 1);

function faultsOf(publishers: readonly PublisherRecord[], subscribers: readonly SubscriberRecord[]): readonly string[] {
  const faults = new FaultLog();
  judge(publishers, subscribers, faults);
  return faults.sentences();
}

test("everything once and in order is right, and at QoS 1 twice is right as well", () => {
  expect(faultsOf([published(2)], [subscribed(2, delivered(2, all))])).toEqual([]);
  expect(faultsOf([published(1)], [subscribed(1, delivered(1, [...all, 3, 4, 5]))])).toEqual([]);
  const judgement = judge([published(1)], [subscribed(1, delivered(1, [...all, 3]))], new FaultLog());
  expect(judgement).toEqual({ promised: count, kept: count, lost: 0, duplicated: 0, repeated: 1 });
});

test("an acknowledged message that is missing is named", () => {
  const missing = all.filter((number) => number !== 7);
  expect(faultsOf([published(1)], [subscribed(1, delivered(1, missing))])).toEqual([
    "1 × acknowledged, not delivered [B1]: p1 7 to s",
  ]);
});

test("a message twice at QoS 2 is named", () => {
  expect(faultsOf([published(2)], [subscribed(2, delivered(2, [...all, 7]))])).toEqual([
    "1 × delivered twice at QoS 2 [MQTT-4.3.3-2]: p2 7 to s: s, s",
  ]);
});

test("a message out of its order, and one at another QoS, are named", () => {
  const deliveries = delivered(1, all.toSpliced(5, 2, 7, 6));
  expect(faultsOf([published(1)], [subscribed(1, deliveries)])).toEqual(["1 × out of order [B4]: p1 6 to s, behind 7"]);
  const lower = delivered(2, all).toSpliced(3, 1, ...delivered(1, [4], "p2"));
  expect(faultsOf([published(2)], [subscribed(2, lower)])).toEqual(["1 × delivered at another QoS: p2 4 to s: 1"]);
});

test("only what was published within a subscription is promised, and nothing outside of it may come", () => {
  const within = { askedAt: 450, heldAt: 460, releasedAt: 905, goneAt: 920 };
  const subscriber = (numbers: readonly number[]) => [subscribed(1, delivered(1, numbers), within)];
  expect(faultsOf([published(1)], subscriber([5, 6, 7, 8]))).toEqual([]);
  expect(faultsOf([published(1)], subscriber([5, 6, 7, 8, 9]))).toEqual([]);
  expect(faultsOf([published(1)], subscriber([5, 6, 8]))).toEqual(["1 × acknowledged, not delivered [B1]: p1 7 to s"]);
  expect(faultsOf([published(1)], subscriber([3, 5, 6, 7, 8]))).toEqual([
    "1 × delivered without a subscription: p1 3 to s",
  ]);
});

test("a group gets each message between its members, and no two of them the same", () => {
  const member = (name: string, numbers: readonly number[]): SubscriberRecord => ({
    ...subscribed(2, delivered(2, numbers)),
    name,
    isMember: true,
  });
  const odd = all.filter((number) => number % 2 === 1);
  const even = all.filter((number) => number % 2 === 0);
  expect(faultsOf([published(2)], [member("a", odd), member("b", even)])).toEqual([]);
  expect(faultsOf([published(2)], [member("a", odd), member("b", even.slice(1))])).toEqual([
    "1 × acknowledged, not delivered [B1]: p2 2 to the group",
  ]);
  expect(faultsOf([published(2)], [member("a", odd), member("b", [...even, 19])])[1]).toBe(
    "1 × one message to two members of a group [MQTT-4.8.2-4]: p2 19 to the group: a, b",
  );
});

test("a subscription that lasts brings what was retained when it began, or something newer", () => {
  const from = { askedAt: 1_001, heldAt: 1_002 };
  const retaining = [published(1, { retain: true })];
  const later = delivered(1, all.slice(10));
  expect(faultsOf(retaining, [subscribed(1, later, from)])).toEqual([]);
  const old = delivered(1, [5]).map((delivery) => ({ ...delivery, isRetained: true, at: 1_005 }));
  expect(faultsOf(retaining.map(onlyFirst(9)), [subscribed(1, old, from)])).toEqual([
    "1 × retained, not delivered [MQTT-3.3.1-6]: t/a as of 9 to s",
  ]);
});

function onlyFirst(last: number): (record: PublisherRecord) => PublisherRecord {
  return (record) => ({ ...record, publications: record.publications.slice(0, last) });
}
