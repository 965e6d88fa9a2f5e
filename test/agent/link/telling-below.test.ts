// What an uplink says of the nodes below, frame by frame.
import { expect, test } from "vitest";
import { TellingBelow } from "#agent/link/telling-below.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { StreamState } from "#shared/journal/stream.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import { capabilities, encodeHeartbeat, encodeHello, protocolVersion } from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const fog = parseNodeName("fog-1");
const nothing = { streams: [], nowMs: 1, creditBytes: undefined, path: undefined };

function scene(count: number) {
  const long = (n: number): string => `${"d".repeat(58)}-${n}`;
  const place = { level: "device", zone: "z".repeat(200), tags: ["t".repeat(100)] } as const;
  const state = { below: 1, list: [] as Descendant[], isInDoubt: false };
  for (let n = 0; n < count; n++)
    state.list.push({ ...place, name: parseNodeName(long(n)), parent: fog, online: true, sinceMs: 1 });
  const clock = new FakeClock(1_000);
  const version = () => ({ below: state.below, above: 1 });
  const tree = { descendants: () => state.list, isBelowInDoubt: () => state.isInDoubt, version };
  return { state, clock, telling: new TellingBelow(tree, clock, fog) };
}

/** Bytes of a hello of the fog with what is told in it. */
function helloBytes(told: ReturnType<TellingBelow["forHello"]>): number {
  const who = { version: protocolVersion, name: fog, epoch: 1, bootId: "b", uuid: "u", conn: 1, lows: [] };
  const place = { level: "fog", zone: undefined, tags: [] } as const;
  return encodeHello({ ...who, place, streams: [], nowMs: 1, ...told }).length;
}

test("[X15] the hello of a fog with ten thousand children with long names is short, and so is each heartbeat", async () => {
  const { state, clock, telling } = scene(limits.descendants);
  const told = telling.forHello([]);
  expect(helloBytes(told)).toBeLessThan(limits.descendantBytesOfHello + 1_000);
  telling.welcomed({ capabilities: capabilities.descendantNews });
  const names = new Set(told.descendants.map(({ name }) => name));
  while (names.size < limits.descendants) {
    await clock.advance(1_000);
    expect(telling.hasNews()).toBe(true);
    const beat = telling.forBeat([]);
    expect(encodeHeartbeat({ ...nothing, ...beat }).length).toBeLessThan(limits.descendantBytesOfBeat + 1_000);
    for (const [, { name }] of beat.below?.told ?? []) names.add(name);
    expect(telling.forBeat([]).below).toBeUndefined(); // not before the answer
    telling.heard(beat.below?.portion);
  }
  await clock.advance(1_000);
  expect(telling.hasNews()).toBe(false);
  const [first, ...others] = state.list;
  if (first === undefined) throw new Error("unreachable");
  state.list = [{ ...first, online: false }, ...others];
  state.below++;
  expect(telling.hasNews()).toBe(true);
  expect(encodeHeartbeat({ ...nothing, ...telling.forBeat([]) }).length).toBeLessThan(1_000);
});

test("a new session is told the whole list again", async () => {
  const { clock, telling } = scene(3);
  expect(telling.forHello([]).descendants.length).toBe(3);
  telling.welcomed({ capabilities: capabilities.descendantNews });
  await clock.advance(1_000);
  expect(telling.forBeat([])).toEqual({ descendants: undefined });
  expect(telling.forHello([]).descendants.length).toBe(3);
});

test("a parent that takes no portions is told all at once, with the first heartbeat and after each change", async () => {
  const { state, clock, telling } = scene(500);
  expect(telling.forHello([]).missing).toBe("list");
  telling.welcomed({});
  await clock.advance(1_000);
  expect(telling.forBeat([]).descendants).toEqual(state.list);
  expect(telling.forBeat([])).toEqual({ descendants: undefined });
  state.list = state.list.slice(1);
  state.below++;
  await clock.advance(1_000);
  expect(telling.forBeat([]).descendants).toEqual(state.list);
});

test("whose messages are about to come is named beside what the portions have told so far", () => {
  const { state, telling } = scene(500);
  const traits = { priority: 2, class: "custody", order: "strict", policy: "oldest" } as const;
  const stream = (origin: string): StreamState => {
    return { origin: parseNodeName(origin), epoch: 1, streamId: 1, name: "data", ...traits, high: 1 };
  };
  const [first, last] = [state.list[0]?.name ?? "", state.list.at(-1)?.name ?? ""];
  expect(telling.forHello([stream(first), stream(last)]).relays).toEqual([last]);
});

test("[J-T4] as long as a child of its own has not told all, the parent hears that something is missing", async () => {
  const { state, clock, telling } = scene(1);
  state.isInDoubt = true;
  expect(telling.forHello([]).missing).toBe("changes");
  telling.welcomed({ capabilities: capabilities.descendantNews });
  state.isInDoubt = false;
  state.below++;
  await clock.advance(1_000);
  expect(telling.forBeat([]).below).toMatchObject({ told: [], gone: [], missing: undefined });
});
