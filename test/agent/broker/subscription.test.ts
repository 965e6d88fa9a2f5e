import { expect, test } from "vitest";
import type { Connection } from "#agent/broker/connection.ts";
import { Session } from "#agent/broker/session.ts";
import { sharedFilter, ShareGroup, Subscription } from "#agent/broker/subscription.ts";

interface Condition {
  readonly connected?: boolean;
  readonly pendingBytes?: number;
  readonly durable?: boolean;
}

function member(
  of: ShareGroup,
  clientId: string,
  { connected = true, pendingBytes = 0, durable = false }: Condition,
): Subscription {
  const session = new Session(clientId, durable ? 1 : 0, 0, "");
  if (connected) {
    session.connection = { isOpen: true, receiveMaximum: 10, outlet: { pendingBytes } } as unknown as Connection;
  }
  const options = {
    filter: of.key,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionId: 0,
  } as const;
  const subscription = new Subscription(session, options, of);
  of.members.push(subscription);
  return subscription;
}

function group(...conditions: readonly Condition[]): ShareGroup {
  const one = new ShareGroup("$share/g/a", "a");
  conditions.forEach((condition, at) => void member(one, `c${at}`, condition));
  return one;
}

function chosen(from: ShareGroup, times: number, except?: Session): readonly (string | undefined)[] {
  return Array.from({ length: times }, () => from.choose(except)?.session.clientId);
}

test("members take turns", () => {
  expect(chosen(group({}, {}, {}), 6)).toEqual(["c0", "c1", "c2", "c0", "c1", "c2"]);
});

test("a member without room is passed over, and the others still take turns", () => {
  const names = chosen(group({}, { pendingBytes: 1e9 }, {}), 200);
  expect([names.filter((name) => name === "c0").length, names.filter((name) => name === "c2").length]).toEqual([
    100, 100,
  ]);
});

test("without room anywhere a connected one gets it, in turn; without a connection one that will return", () => {
  const full = chosen(group({ pendingBytes: 1e9 }, { pendingBytes: 1e9 }), 4);
  expect(new Set(full)).toEqual(new Set(["c0", "c1"]));
  expect(chosen(group({ connected: false }, { connected: false, durable: true }), 2)).toEqual(["c1", "c1"]);
  expect(chosen(group({ connected: false, durable: true }, { pendingBytes: 1e9 }), 2)).toEqual(["c1", "c1"]);
  expect(chosen(group({ connected: false }), 1)).toEqual([undefined]);
  expect(chosen(group(), 1)).toEqual([undefined]);
});

test("the one on its way out gets nothing, and members may leave while it goes round", () => {
  const one = group({}, {}, {});
  const leaving = one.members[1]?.session;
  expect(chosen(one, 4, leaving)).not.toContain("c1");
  chosen(one, 2);
  one.members.splice(1, 2);
  expect(chosen(one, 3)).toEqual(["c0", "c0", "c0"]);
});

test("a shared filter has a name and a filter; others are plain [MQTT-4.8.2-1] [MQTT-4.8.2-2]", () => {
  expect(sharedFilter("$share/g/a/+/#")).toEqual({ group: "g", filter: "a/+/#" });
  expect(sharedFilter("$share/g//")).toEqual({ group: "g", filter: "/" });
  for (const plain of ["a", "$shared/g/a", "$share", "share/g/a", "$SHARE/g/a"])
    expect(sharedFilter(plain)).toBe(undefined);
  for (const bad of ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a", "$share/g/a#"])
    expect(sharedFilter(bad)).toBe("invalid");
});
