import fc from "fast-check";
import { expect, test } from "vitest";
import { formatNamed, formatOffer, parseNamed, parseOffer } from "#shared/fellows/election-entries.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

const { uuid, hostname } = fellowOf(7);

test("[U10] an offer and the entry that names a server read back as they were written", () => {
  const score = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  fc.assert(
    fc.property(score, fc.boolean(), fc.nat(), (value, isFinished, version) => {
      expect(parseOffer(formatOffer({ uuid, hostname, score: value }))).toEqual({ uuid, hostname, score: value });
      expect(parseNamed(formatNamed({ uuid, isFinished }), version)).toEqual({ uuid, isFinished, version });
    }),
  );
});

test("[U10] what is no entry is refused", () => {
  const offer = { uuid, hostname, score: 1 };
  for (const change of [{ uuid: "7" }, { hostname: "a/b" }, { score: -1 }, { score: null }])
    expect(parseOffer(JSON.stringify({ ...offer, ...change }))).toBeUndefined();
  for (const entry of [{ uuid }, { uuid: "7", finished: true }, { uuid, finished: 1 }, [uuid, true], null])
    expect(parseNamed(JSON.stringify(entry), 0)).toBeUndefined();
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect([parseOffer(text), parseNamed(text, 0)]).toEqual([undefined, undefined]);
    }),
  );
});
