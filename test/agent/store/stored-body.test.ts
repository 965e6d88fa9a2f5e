import fc from "fast-check";
import { expect, test } from "vitest";
import { placeIn, thinned, type StoredBody } from "#agent/store/stored-body.ts";
import { decodeEntries, decodeSpooled, SpoolBuilder } from "#shared/mqtt/spool.ts";
import { messageOf } from "../../fakes/session-store-scene.ts";

/** A body with a message of each size, and their places. */
function bodyOf(sizes: readonly number[]): { readonly body: StoredBody; readonly places: readonly number[] } {
  const builder = new SpoolBuilder();
  sizes.forEach((size, index) => {
    builder.add(messageOf(size));
    builder.enqueue(1, index + 1, 1, false, [], 0);
  });
  const [spool] = builder.finish();
  const places = decodeEntries(spool?.queues[0]?.entries ?? new Uint8Array(0)) ?? [];
  return {
    body: { bytes: spool?.body ?? new Uint8Array(0), kept: null },
    places: places.map(({ place }) => place),
  };
}

test("however often a body is thinned out, what is left is found where it was at first, and nothing else is", () => {
  const anyRounds = fc.array(fc.array(fc.boolean(), { maxLength: 30 }), { maxLength: 5 });
  fc.assert(
    fc.property(fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }), anyRounds, (sizes, rounds) => {
      const { body: first, places } = bodyOf(sizes);
      let body = first;
      let left = places.map((place, index) => ({ place, message: messageOf(sizes[index] ?? 0) }));
      for (const gone of rounds) {
        left = left.filter((_, index) => gone[index] !== true);
        const next = thinned(
          body,
          left.map(({ place }) => place),
        );
        if (next === undefined) throw new Error("every message that is asked for is there");
        body = next;
        for (const { place, message } of left) expect(decodeSpooled(body.bytes, placeIn(body, place))).toEqual(message);
        const sum = left.reduce((bytes, { message }) => bytes + message.payload.length + 3 + 7, 0);
        expect(body.bytes.length).toBe(sum);
        const isLeft = (place: number): boolean => left.some((one) => one.place === place);
        for (const place of places) if (!isLeft(place)) expect(placeIn(body, place)).toBe(-1);
      }
    }),
  );
});

test("a message that is not there is told", () => {
  const { body, places } = bodyOf([5, 6, 7]);
  const [a = 0, b = 0, c = 0] = places;
  const two = thinned(body, [a, c]);
  expect(two?.kept).toEqual([
    [1, 15],
    [32, 48],
  ]);
  expect(two && thinned(two, [a, b])).toBe(undefined);
  expect(two && thinned(two, [c, 1_000])).toBe(undefined);
  expect(thinned({ bytes: body.bytes.subarray(0, 20), kept: null }, [a, b])).toBe(undefined);
});
