import fc from "fast-check";
import { expect, test } from "vitest";
import type { FellowMessage } from "#shared/fellows/fellow-frames.ts";
import { newInbox, stepInbox, type InboxEffect, type InboxEvent } from "#shared/fellows/inbox.ts";
import { limits } from "#shared/limits.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

const [self, peer] = [fellowOf(1).uuid, fellowOf(2).uuid];

function messageOf(number: number, change: Partial<FellowMessage> = {}): FellowMessage {
  const fixed = { from: peer, to: self, life: 1, floor: 1, subject: "s", body: new Uint8Array(0), answers: undefined };
  return { ...fixed, number, ...change };
}

class Scene {
  state = newInbox(self);

  step(event: InboxEvent): readonly string[] {
    const [state, effects] = stepInbox(this.state, event);
    this.state = state;
    return effects.map(textOf);
  }

  arrive(
    number: number,
    change: Partial<FellowMessage> = {},
    path: "hostname" | "uuid" = "hostname",
  ): readonly string[] {
    return this.step({ type: "arrived", peer, path, message: messageOf(number, change) });
  }

  taken(number: number, type: "taken" | "not-taken" = "taken", life = 1): readonly string[] {
    return this.step({ type, from: peer, life, number });
  }
}

function textOf(effect: InboxEffect): string {
  if (effect.type === "take") return `take ${effect.message.number} floor ${effect.floor}`;
  return effect.type === "discard" ? effect.reason : `ack ${effect.ack.number} ${effect.path} ${effect.ack.newestLife}`;
}

test("[U-S3] [U30] [U-T10] both copies arrive: handled once, acknowledged on both paths when it is taken", () => {
  const scene = new Scene();
  expect(scene.arrive(1)).toEqual(["take 1 floor 1"]);
  expect(scene.arrive(1, {}, "uuid")).toEqual([]);
  expect(scene.taken(1)).toEqual(["ack 1 hostname 1", "ack 1 uuid 1"]);
  expect(scene.arrive(1, {}, "uuid")).toEqual(["ack 1 uuid 1"]);
  expect(scene.taken(1)).toEqual([]);
});

test("[U-T10] what could not be taken is not acknowledged, and taken when it comes again", () => {
  const scene = new Scene();
  scene.arrive(1);
  expect(scene.taken(1, "not-taken")).toEqual([]);
  expect(scene.arrive(1)).toEqual(["take 1 floor 1"]);
});

test("a copy that comes after its sender has done with it is not handled, however late", () => {
  const scene = new Scene();
  scene.arrive(1);
  scene.taken(1);
  expect(scene.arrive(3, { floor: 3 })).toEqual(["take 3 floor 3"]);
  expect(scene.state.senders.get(peer)?.taken.size).toBe(0);
  expect(scene.arrive(1)).toEqual(["late"]);
  expect(scene.arrive(2)).toEqual(["late"]);
});

test("a sender that has started anew is heard, and its earlier life is told so", () => {
  const scene = new Scene();
  scene.arrive(1);
  expect(scene.arrive(1, { life: 2 })).toEqual(["take 1 floor 1"]);
  expect(scene.taken(1)).toEqual([]);
  expect(scene.arrive(2)).toEqual(["ack 2 hostname 2", "outlived"]);
});

test("a message that another fellow sent, or that is for another one, is not handled", () => {
  const scene = new Scene();
  expect(scene.arrive(1, { from: fellowOf(3).uuid })).toEqual(["forged"]);
  expect(scene.arrive(1, { to: fellowOf(3).uuid })).toEqual(["misdirected"]);
  expect(scene.state.senders.size).toBe(0);
});

test("what a sender may make us remember is bounded", () => {
  const scene = new Scene();
  expect(scene.arrive(limits.fellowWindow)).toEqual([`take ${limits.fellowWindow} floor 1`]);
  expect(scene.arrive(limits.fellowWindow + 1)).toEqual(["beyond-window"]);
  for (let at = 0; at < limits.fellowsRemembered + 10; at++) {
    const from = fellowOf(100 + at).uuid;
    scene.step({ type: "arrived", peer: from, path: "uuid", message: messageOf(1, { from }) });
    scene.step({ type: "taken", from, life: 1, number: 1 });
  }
  expect(scene.state.senders.size).toBe(limits.fellowsRemembered);
  // Being handled: not forgotten.
  expect(scene.state.senders.has(peer)).toBe(true);
});

test("[U-T10] across a start: what is on disk is not handled again", () => {
  const scene = new Scene();
  for (const number of [1, 2, 3]) scene.arrive(number, { floor: 1 });
  scene.taken(2);
  scene.state = newInbox(self, new Map([[peer, { life: 1, floor: 1, taken: new Set([2]) }]]));
  expect(scene.arrive(2)).toEqual(["ack 2 hostname 1"]);
  expect(scene.arrive(1)).toEqual(["take 1 floor 1"]);
  expect(scene.arrive(1, { life: 0 })).toEqual(["ack 1 hostname 1", "outlived"]);
});

test("[U-T10] whatever is repeated, reordered and not taken: each message is taken once", () => {
  const number = fc.integer({ min: 1, max: 8 });
  const event = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ act: fc.constant("arrive" as const), number, path: fc.constantFrom("hostname", "uuid") }),
    },
    { weight: 2, arbitrary: fc.record({ act: fc.constant("taken" as const), number }) },
    fc.record({ act: fc.constant("not-taken" as const), number }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const scene = new Scene();
      const handling = new Set<number>();
      const taken: number[] = [];
      for (const one of events) {
        if (one.act === "arrive") {
          const [told] = scene.arrive(one.number, {}, one.path);
          if (told?.startsWith("take") === true) {
            expect(handling.has(one.number)).toBe(false);
            handling.add(one.number);
          } else if (told !== undefined) expect(taken).toContain(one.number);
        } else if (handling.delete(one.number)) {
          const acks = scene.taken(one.number, one.act);
          expect(acks.length > 0).toBe(one.act === "taken");
          if (one.act === "taken") taken.push(one.number);
        }
      }
      expect(new Set(taken).size).toBe(taken.length);
    }),
    { numRuns: 500 },
  );
});
