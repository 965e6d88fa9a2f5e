// ZooKeeper's encoding: what is written is read again, and what is not of it is refused without costing more than its bytes.
import fc from "fast-check";
import { expect, test } from "vitest";
import { JuteError, JuteReader, JuteWriter } from "#cloud/coordination/zookeeper/jute.ts";
import { readAcl, readStat } from "#cloud/coordination/zookeeper/records.ts";

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test("a record is read as it was written", () => {
  const record = fc.tuple(
    int,
    long,
    fc.boolean(),
    fc.option(fc.uint8Array({ maxLength: 300 })),
    fc.string({ unit: "grapheme", maxLength: 200 }),
    fc.array(fc.string(), { maxLength: 20 }),
  );
  fc.assert(
    fc.property(record, ([a, b, c, d, e, f]) => {
      const writer = new JuteWriter().int(a).long(b).bool(c).buffer(d).string(e);
      const bytes = writer.vector(f, (to, text) => to.string(text)).finish();
      const reader = new JuteReader(bytes);
      const read = [reader.int(), reader.long(), reader.bool(), reader.buffer(), reader.string()];
      expect([...read, reader.vector((from) => from.string()), reader.left]).toEqual([a, b, c, d, e, f, 0]);
    }),
  );
});

test("an int is four bytes, big-endian, and null is -1", () => {
  const bytes = new JuteWriter().int(1).bool(true).long(-2n).buffer(null).finish();
  expect(Buffer.from(bytes).toString("hex")).toBe("0000000101fffffffffffffffeffffffff");
  const nulls = new JuteReader(new JuteWriter().int(-1).int(-1).int(-1).finish());
  expect([nulls.buffer(), nulls.string(), nulls.vector((from) => from.int())]).toEqual([null, "", []]);
});

test("a buffer that was read is a copy, out of a Node Buffer as well", () => {
  const socket = Buffer.from(new JuteWriter().buffer(Uint8Array.of(1, 2)).finish());
  const read = new JuteReader(socket).buffer();
  socket.fill(0);
  expect(read).toStrictEqual(Uint8Array.of(1, 2));
});

test("any bytes give a record or a JuteError, at every place", () => {
  const readers = [
    readStat,
    (reader: JuteReader) => reader.vector(readAcl),
    (reader: JuteReader) => reader.vector((from) => from.string()),
    (reader: JuteReader) => [reader.bool(), reader.buffer(), reader.string()],
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: readers.length - 1 }), (bytes, which) => {
      const reader = new JuteReader(bytes);
      try {
        readers[which]?.(reader);
        expect(reader.left).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toBeInstanceOf(JuteError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a length beyond the bytes is refused before anything is kept for it", () => {
  for (const length of [1, 0x7fffffff, -2, -0x80000000]) {
    const bytes = new JuteWriter().int(length).finish();
    expect(() => new JuteReader(bytes).buffer()).toThrow(JuteError);
    expect(() => new JuteReader(bytes).string()).toThrow(JuteError);
    let elements = 0;
    expect(() => new JuteReader(bytes).vector(() => elements++)).toThrow(JuteError);
    expect(elements).toBe(0);
  }
});

test("a number that does not fit is our own mistake", () => {
  expect(() => new JuteWriter().int(2 ** 31)).toThrow(RangeError);
  expect(() => new JuteWriter().int(0.5)).toThrow(RangeError);
  expect(() => new JuteWriter().long(2n ** 63n)).toThrow(RangeError);
});
