import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { ToldStreams, type KnownStream } from "#shared/link/told-streams.ts";
import { limits } from "#shared/limits.ts";

const self = parseNodeName("fog-1");
const parent = parseNodeName("cloud-1");

function stream(origin: string, epoch: number, high: number, isComplete = true): KnownStream {
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  return { origin, epoch, streamId: 1, name: "data", ...traits, high, isComplete };
}

const named = (streams: readonly { origin: string; epoch: number }[]): readonly string[] =>
  streams.map(({ origin, epoch }) => `${origin}/${epoch}`);

test("a hello names the own streams of the epoch always, and others while they are not complete or not known above", () => {
  const told = new ToldStreams();
  const streams = [stream("device-1", 3, 7), stream("device-2", 4, 9, false), stream(self, 1, 5), stream(self, 2, 0)];
  expect(named(told.forHello(streams, self, 2))).toEqual(["fog-1/2", "fog-1/1", "device-1/3", "device-2/4"]);
  told.welcomed({ name: parent, instance: 6 });
  expect(named(told.forHello(streams, self, 2))).toEqual(["fog-1/2", "device-2/4"]);
  const grown = streams.map((one) => (one.origin === "device-1" ? { ...one, high: 8 } : one));
  expect(named(told.forHello(grown, self, 2))).toEqual(["fog-1/2", "device-1/3", "device-2/4"]);
});

test("another database of the parent knows nothing, and hears all of it again", () => {
  const told = new ToldStreams();
  const streams = [stream("device-1", 3, 7), stream(self, 2, 1)];
  told.forHello(streams, self, 2);
  told.welcomed({ name: parent, instance: 6 });
  told.forHello(streams, self, 2);
  told.welcomed({ name: parent, instance: 7 });
  expect(named(told.forBeat(streams))).toEqual(["device-1/3"]);
  expect(told.forBeat(streams)).toEqual([]);
});

test("[O3] a parent that was started again hears all of it again: an older copy of its database may have been put back", () => {
  const told = new ToldStreams();
  const streams = [stream("device-1", 3, 7), stream(self, 1, 5), stream(self, 2, 1)];
  const life = { name: parent, instance: 6, sinceMs: 1_000 };
  for (const [sinceMs, expected] of [
    [1_000, []],
    [1_000, []],
    [2_000, ["device-1/3", "fog-1/1"]],
    [2_000, []],
  ] as const) {
    told.forHello(streams, self, 2);
    told.welcomed({ ...life, sinceMs });
    expect(named(told.forBeat(streams))).toEqual(expected);
  }
});

test("a heartbeat names what has grown, once; what a session that broke was told is named in the next hello", () => {
  const told = new ToldStreams();
  told.forHello([stream(self, 2, 1)], self, 2);
  told.welcomed({ name: parent, instance: 6 });
  const grown = [stream(self, 2, 5), stream("device-1", 3, 7)];
  expect(named(told.forBeat(grown))).toEqual(["fog-1/2", "device-1/3"]);
  expect(told.forBeat(grown)).toEqual([]);
  expect(named(told.forHello(grown, self, 2))).toEqual(["fog-1/2", "device-1/3"]);
});

test("[O3] however many there are: each frame is bounded, and in the end the parent has heard of every one", () => {
  const told = new ToldStreams();
  const streams = Array.from({ length: 3.5 * limits.streamsPerHello }, (_, index) =>
    stream(`device-${index}`, 1, index + 1),
  );
  const heard = new Map<string, number>();
  const hear = (some: readonly { origin: string; high: number }[]): void => {
    expect(some.length).toBeLessThanOrEqual(limits.streamsPerHello);
    for (const { origin, high } of some) heard.set(origin, high);
  };
  hear(told.forHello(streams, self, 2));
  told.welcomed({ name: parent, instance: 6 });
  // The first has grown meanwhile: the others need not be named to this again.
  const grown = stream("device-1", 1, 9_999);
  hear(told.forBeat([grown]));
  for (let beat = 0; beat < 2; beat++) hear(told.forBeat([]));
  expect(heard.get("device-1")).toBe(9_999);
  heard.set("device-1", 2);
  expect([...heard].every(([origin, high]) => origin === `device-${high - 1}`)).toBe(true);
  expect(heard.size).toBe(streams.length);
});

test("what was given is what the last hello said", () => {
  const told = new ToldStreams();
  told.forHello([stream(self, 2, 5), stream(self, 1, 9), stream("device-1", 2, 7)], self, 2);
  expect(told.given(self, 2)).toEqual(new Map([[1, 5]]));
});
