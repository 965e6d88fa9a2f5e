import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import type { Hello } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import {
  bornChild,
  departedChild,
  descendantsOf,
  heardChild,
  keptOutChild,
  toldChild,
  watchedChild,
} from "#shared/link/child-presence.ts";

const place = { level: "device" as const, zone: undefined, tags: [] };
const hello: Hello = {
  version: 1,
  name: parseNodeName("device-1"),
  epoch: 1,
  bootId: "boot",
  streams: [],
  nowMs: 0,
  conn: 4,
  uuid: "u",
  place,
  descendants: [],
  lows: [],
};
const at = (ms: number) => ({ nowMs: 1000 + ms, monotonicMs: ms });

test("each hello begins a new session, and since tells when the child came online", () => {
  const first = bornChild(undefined, hello, at(0));
  const second = bornChild(first, { ...hello, conn: 5 }, at(50));
  expect([first.session, second.session]).toEqual([1, 2]);
  expect(second).toMatchObject({ state: "online", sinceMs: first.sinceMs, conn: 5 });
  const lost = departedChild(second, { name: "device-1", conn: 5, onPurpose: false }, 2000);
  expect(bornChild(lost, hello, at(5000)).sinceMs).toBe(6000);
});

test("[P1] a will of an older connection does not bury the newer session", () => {
  const reborn = bornChild(bornChild(undefined, hello, at(0)), { ...hello, conn: 5 }, at(10));
  expect(departedChild(reborn, { name: "device-1", conn: 4, onPurpose: false }, 2000)).toBe(reborn);
  expect(departedChild(reborn, { name: "device-1", conn: 5, onPurpose: false }, 2000)).toMatchObject({
    state: "lost",
    sinceMs: 2000,
  });
});

test("[J14] a departure on purpose is told from a loss, and the will behind it changes nothing", () => {
  const online = bornChild(undefined, hello, at(0));
  const left = departedChild(online, { name: "device-1", conn: 4, onPurpose: true }, 2000);
  expect(left.state).toBe("left");
  expect(departedChild(left, { name: "device-1", conn: 4, onPurpose: false }, 3000)).toBe(left);
});

test("[P1] a silent child is lost within the bound, a talking one is not", () => {
  const online = bornChild(undefined, hello, at(0));
  const justBefore = at(limits.linkSilenceMs - 1);
  expect(watchedChild(online, justBefore)).toBe(online);
  const talking = heardChild(online, justBefore, undefined);
  expect(watchedChild(talking, at(limits.linkSilenceMs + 5))).toBe(talking);
  expect(watchedChild(online, at(limits.linkSilenceMs)).state).toBe("lost");
});

test("what a child reports below it is passed on behind the child itself", () => {
  const below = { ...place, name: parseNodeName("sensor-1"), parent: hello.name, online: true, sinceMs: 1 };
  const child = bornChild(undefined, { ...hello, descendants: [below] }, at(0));
  const fog = parseNodeName("fog-1");
  expect(descendantsOf([child], fog)).toEqual([
    {
      ...place,
      name: hello.name,
      parent: fog,
      online: true,
      bearer: { uuid: "u", epochs: [1], parents: [] },
      sinceMs: 1000,
    },
    below,
  ]);
});

test("[J8] what a child no longer reports is believed for a while, and not for longer", () => {
  const below = (name: string) => [
    { ...place, name: parseNodeName(name), parent: hello.name, online: true, sinceMs: 1 },
  ];
  const first = bornChild(undefined, { ...hello, descendants: below("a") }, at(0));
  expect(first.earlier).toBeUndefined();
  const second = heardChild(first, at(1_000), below("b"));
  expect(second.earlier).toEqual([
    { place, descendants: below("a"), untilMonotonicMs: 1_000 + limits.earlierReportsMs },
  ]);
  const reborn = bornChild(second, { ...hello, place: { ...place, zone: "roof" }, descendants: [] }, at(2_000));
  expect(reborn.earlier?.map(({ descendants }) => descendants[0]?.name)).toEqual(["a", "b"]);
  expect(heardChild(reborn, at(2_000 + limits.earlierReportsMs), undefined).earlier).toEqual([]);
  const restless = Array.from({ length: 20 }, (_, n) => n).reduce(
    (child, n) => heardChild(child, at(n), below("c")),
    first,
  );
  expect(restless.earlier).toHaveLength(limits.earlierReports);
  const { epoch: _, ...restored } = first;
  expect(bornChild(restored, hello, at(0)).earlier).toBeUndefined();
});

test("[P1] [J-T7] [J-T8] [X1] [X2] wills and notices of older connections, in any order and number, at any time, change nothing", () => {
  /** What becomes of each connection, and which departures of connections up to then come behind it. */
  const life = fc.record({
    end: fc.constantFrom("runs", "will", "notice", "silence"),
    late: fc.array(fc.record({ back: fc.nat(4), onPurpose: fc.boolean() }), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 12 }), (lives) => {
      let child: ReturnType<typeof bornChild> | undefined;
      let ms = 0;
      for (const [index, { end, late }] of lives.entries()) {
        const conn = 100 + index;
        ms += 10;
        child = bornChild(child, { ...hello, conn }, at(ms));
        expect(child).toMatchObject({ state: "online", conn, session: index + 1 });
        // Of connections before this one: also its own predecessor, which was taken over.
        for (const { back, onPurpose } of late)
          child = departedChild(child, { name: "device-1", conn: conn - 1 - back, onPurpose }, 1000 + ++ms);
        expect(child.state).toBe("online");
        if (end === "silence") child = watchedChild(child, at((ms += limits.linkSilenceMs)));
        else if (end !== "runs")
          child = departedChild(child, { name: "device-1", conn, onPurpose: end === "notice" }, 1000 + ++ms);
        const state = { runs: "online", will: "lost", notice: "left", silence: "lost" }[end];
        expect(child.state).toBe(state);
        // Whatever of it comes again changes neither the state nor since when.
        const settled = child;
        if (end !== "runs")
          for (const onPurpose of [true, false])
            child = departedChild(child, { name: "device-1", conn, onPurpose }, 1000 + ++ms);
        expect(child).toBe(settled);
      }
    }),
  );
});

test("[J8] the list of the session before stands until the new one is whole, unless another node bears the name now", () => {
  const below = (name: string) => ({
    ...place,
    name: parseNodeName(name),
    parent: hello.name,
    online: true,
    sinceMs: 1,
  });
  const named = ({ descendants }: ReturnType<typeof bornChild>) => descendants.map(({ name }) => name);
  const first = bornChild(undefined, { ...hello, descendants: [below("a")] }, at(0));
  const again = { ...hello, descendants: [below("b")], missing: "list" } as const;
  const telling = bornChild(first, again, at(10));
  expect(named(telling)).toEqual(["a"]);
  const news = { portion: 1, told: [[1, below("c")]], gone: [], missing: undefined } as const;
  const more = toldChild(telling, at(20), { ...news, missing: "list" });
  expect([named(more), more.descendants === first.descendants]).toEqual([["a"], true]);
  const whole = toldChild(more, at(30), news);
  expect([named(whole), whole.earlier?.at(-1)?.descendants]).toEqual([["b", "c"], first.descendants]);
  expect(named(bornChild(first, { ...again, uuid: "another" }, at(10)))).toEqual(["b"]);
  expect(keptOutChild(first, again, at(10))).not.toHaveProperty("heard");
});
