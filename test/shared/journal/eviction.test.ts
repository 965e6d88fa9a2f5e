import fc from "fast-check";
import { expect, test } from "vitest";
import {
  chooseSegments,
  givingWay,
  shareBytes,
  type Choice,
  type ChoiceRules,
  type StoredPlace,
  type StreamWeight,
} from "#shared/journal/eviction.ts";
import { coversInterval, type IntervalSet } from "#shared/journal/interval-set.ts";
import { fullPolicies, type Priority } from "#shared/journal/stream.ts";

const stream = (priority: Priority, bytes: number, more: Partial<StreamWeight> = {}): StreamWeight => ({
  priority,
  policy: "oldest",
  share: 1,
  bytes,
  ...more,
});

/** Segments 1, 2, 3 … of these bytes, stamped at their number. */
function places(sizes: readonly number[]): readonly StoredPlace[] {
  return sizes.map((bytes, index) => ({ first: index + 1, items: 1, bytes, lastMs: index + 1 }));
}

const rules = (more: Partial<ChoiceRules>): ChoiceRules => ({
  policy: "oldest",
  inFlight: [],
  bytes: Infinity,
  segmentsMax: 1_000,
  looksMax: 1_000,
  ...more,
});

const chosenOf = (stored: readonly StoredPlace[], more: Partial<ChoiceRules>): readonly number[] =>
  chooseSegments(stored, rules(more)).chosen.map(({ first }) => first);

test("the least important give way first, the more important never", () => {
  const streams = [stream(0, 10), stream(1, 10), stream(2, 10), stream(3, 10)];
  for (const incoming of streams) {
    const order = givingWay(streams, incoming, 100).map(({ priority }) => priority);
    expect(order).toEqual([3, 2, 1, 0].filter((priority) => priority >= incoming.priority));
  }
});

test("among equals the one that has most for its share gives way first, and none within its share for one beyond it", () => {
  const small = stream(2, 10);
  const large = stream(2, 60);
  const wide = stream(2, 60, { share: 8 });
  expect(shareBytes(small, [small, large, wide], 100)).toBe(10);
  expect(givingWay([small, large, wide], small, 100)).toEqual([large, small, wide]);
  expect(givingWay([small, large, wide], large, 100)).toEqual([large]);
});

test("whoever gives way, the weight of each stream is summed once", () => {
  let reads = 0;
  const counted = Array.from({ length: 100 }, (_, index) => ({
    ...stream(2, index + 1),
    get share() {
      reads++;
      return 1;
    },
  }));
  const [incoming] = counted.slice(-1);
  if (incoming === undefined) throw new Error("no stream");
  // Of 5 050 bytes an equal part is 50: those within it stay.
  expect(givingWay(counted, incoming, 5_000).map(({ bytes }) => bytes)).toEqual(
    Array.from({ length: 50 }, (_, index) => 100 - index),
  );
  expect(reads).toBeLessThan(100 * 30);
});

test("a stream that refuses what is new keeps what it has, and still pushes out what is less important", () => {
  const kept = stream(3, 50, { policy: "newest" });
  const bulk = stream(3, 50);
  expect(givingWay([kept, bulk], kept, 100)).toEqual([bulk]);
  expect(givingWay([kept], kept, 100)).toEqual([]);
  expect(givingWay([kept, stream(0, 1)], stream(0, 1), 100)).not.toContain(kept);
});

test("oldest: from the head, as many bytes as are needed", () => {
  const stored = places([10, 10, 10, 10]);
  expect(chosenOf(stored, { bytes: 15 })).toEqual([1, 2]);
  expect(chosenOf(stored, { bytes: 15, inFlight: [[1, 2]] })).toEqual([3, 4]);
  expect(chosenOf(stored, { segmentsMax: 1 })).toEqual([1]);
  expect(chosenOf(stored, { policy: "newest" })).toEqual([]);
});

test("decimate: every second of what is left, pass after pass, also in portions", () => {
  let stored = places([1, 1, 1, 1, 1, 1, 1, 1, 1]);
  const left: number[][] = [];
  for (let pass = 0; pass < 4; pass++) {
    let keepsNext = true;
    for (let from = 0, ended = false; !ended;) {
      const choice: Choice<StoredPlace> = chooseSegments(
        stored.filter(({ first }) => first >= from),
        rules({ policy: "decimate", segmentsMax: 1, keepsNext }),
      );
      stored = stored.filter((place) => !choice.chosen.includes(place));
      ({ next: from, ended, keepsNext } = choice);
    }
    left.push(stored.map(({ first }) => first));
  }
  expect(left).toEqual([[1, 3, 5, 7, 9], [1, 5, 9], [1, 9], [1]]);
});

test("ttl: only what is older goes; a stamp of the future or of an unknown clock hides nothing behind it", () => {
  const stored = places([1, 1, 1, 1]);
  const age = { expiredBeforeMs: 3, nowMs: 100 };
  expect(chosenOf(stored, { policy: "ttl", age })).toEqual([1, 2]);
  expect(chosenOf(stored, { policy: "ttl" })).toEqual([]);
  for (const lastMs of [Infinity, 101]) {
    const strange = stored.map((place) => (place.first === 1 ? { ...place, lastMs } : place));
    expect(chosenOf(strange, { policy: "ttl", age })).toEqual([2]);
  }
});

interface ModelStream extends StreamWeight {
  readonly name: number;
  stored: readonly StoredPlace[];
  readonly inFlight: IntervalSet;
  keepsNext: boolean;
  from: number;
}

const modelStream = fc
  .record({
    priority: fc.constantFrom<Priority[]>(0, 1, 2, 3),
    policy: fc.constantFrom(...fullPolicies),
    share: fc.integer({ min: 1, max: 4 }),
    sizes: fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 }),
    flight: fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 5 })),
  })
  .map(({ sizes, flight: [first, length], ...weight }): Omit<ModelStream, "name" | "bytes"> => ({
    ...weight,
    stored: places(sizes),
    inFlight: [[first, first + length]],
    keepsNext: true,
    from: 0,
  }));

const bytesOf = ({ stored }: Pick<ModelStream, "stored">): number => stored.reduce((sum, { bytes }) => sum + bytes, 0);

/** Makes room as the store does; answers what went of each stream, in order. */
function makeRoom(streams: readonly ModelStream[], incoming: ModelStream, wanted: number) {
  const weigh = () => streams.map((one) => Object.assign(one, { bytes: bytesOf(one) }));
  const gone: { readonly stream: ModelStream; readonly place: StoredPlace }[] = [];
  let freed = 0;
  let steps = 0;
  for (const one of givingWay(weigh(), incoming, 500)) {
    for (let more = true; more && freed < wanted;) {
      expect(++steps).toBeLessThan(1_000);
      const { chosen, next, ended, keepsNext } = chooseSegments(
        one.stored.filter(({ first }) => first >= one.from),
        rules({
          policy: one.policy,
          inFlight: one.inFlight,
          bytes: wanted - freed,
          segmentsMax: 3,
          keepsNext: one.keepsNext,
          age: { expiredBeforeMs: 10, nowMs: 100 },
        }),
      );
      one.stored = one.stored.filter((place) => !chosen.includes(place));
      one.from = one.policy === "decimate" && !ended ? next : 0;
      one.keepsNext = one.from === 0 || keepsNext;
      for (const place of chosen) gone.push({ stream: one, place });
      freed += chosen.reduce((sum, { bytes }) => sum + bytes, 0);
      more = chosen.length > 0;
    }
  }
  return { gone, freed };
}

test("whatever is stored: it ends, nothing on its way goes, importance is kept, and no more goes than is needed", () => {
  fc.assert(
    fc.property(
      fc.array(modelStream, { minLength: 1, maxLength: 6 }),
      fc.nat(),
      fc.integer({ min: 1, max: 400 }),
      (drawn, pick, wanted) => {
        const streams = drawn.map((one, name): ModelStream => ({ ...one, name, bytes: bytesOf(one) }));
        const incoming = streams[pick % streams.length];
        if (incoming === undefined) return;
        const order = givingWay(streams, incoming, 500);
        const { gone, freed } = makeRoom(streams, incoming, wanted);
        const last = gone.at(-1);
        expect(freed - (last?.place.bytes ?? 0)).toBeLessThan(wanted);
        for (const { stream: one, place } of gone) {
          expect(one.priority).toBeGreaterThanOrEqual(incoming.priority);
          expect(one.policy).not.toBe("newest");
          expect(coversInterval(one.inFlight, place.first, place.first)).toBe(false);
          if (one.policy === "ttl") expect(place.lastMs).toBeLessThan(10);
        }
        const ranks = gone.map(({ stream: one }) => one.priority);
        expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
        // Unless there was enough, whoever gives way whole has given all but what is on its way.
        const free = order
          .filter(({ policy }) => policy === "oldest")
          .flatMap(({ stored, inFlight }) => stored.filter(({ first }) => !coversInterval(inFlight, first, first)));
        if (freed < wanted) expect(free).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});
