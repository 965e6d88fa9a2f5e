import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCbor, decodeCborSequence, encodeCbor } from "#shared/cbor.ts";

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, "", 0),
    fc.integer(),
    fc.double({ noNaN: true }).map((number) => (number === 0 ? 0 : number)), // CBOR's integers have one zero
    fc.string(),
    fc.uint8Array().map((bytes) => Uint8Array.from(bytes)),
    fc.array(tie("any"), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie("any"), { maxKeys: 5 }).map((record) => new Map(Object.entries(record))),
  ),
})).any;

test("what is encoded is decoded, alone and in a sequence", () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), (values) => {
      const parts = values.map(encodeCbor).map((bytes) => Uint8Array.from(bytes));
      const sequence = Uint8Array.from(parts.flatMap((part) => [...part]));
      expect(normal(decodeCborSequence(sequence))).toEqual(normal(values));
      for (const [at, part] of parts.entries()) expect(normal(decodeCbor(part)?.value)).toEqual(normal(values[at]));
    }),
  );
});

/** Decoded byte strings are buffers of the runtime. */
function normal(decoded: unknown): unknown {
  if (decoded instanceof Uint8Array) return [...decoded];
  if (Array.isArray(decoded)) return decoded.map(normal);
  if (decoded instanceof Map) return [...decoded].map(([key, entry]) => [key, normal(entry)]);
  return decoded;
}

test("random bytes are decoded or not, without a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const decoded = decodeCbor(bytes);
      expect(decoded === undefined || "value" in decoded).toBe(true);
      const items = decodeCborSequence(bytes);
      expect(items === undefined || Array.isArray(items)).toBe(true);
    }),
  );
});

test.each([
  ["a tag", [0xc1, 0x00]],
  ["a large number as a tag", [0xc2, 0x42, 0x01, 0x00]],
  ["an indefinite array", [0x9f, 0x00, 0xff]],
  ["an indefinite text", [0x7f, 0x61, 0x61, 0xff]],
  ["a length beyond the bytes", [0x5a, 0x7f, 0xff, 0xff, 0xff, 0x00]],
  ["an array longer than the bytes", [0x9a, 0x00, 0x01, 0x00, 0x00, 0x00]],
  ["two items where one is expected", [0x00, 0x00]],
  ["nothing", []],
  ["nesting without end", Array.from({ length: 5_000 }, () => 0x81)],
])("%s is not decoded", (_what, bytes) => {
  expect(decodeCbor(Uint8Array.from(bytes))).toBeUndefined();
});

test("a tag hidden inside is found", () => {
  expect(decodeCbor(Uint8Array.of(0x82, 0x00, 0xa1, 0x00, 0xc2, 0x41, 0x01))).toBeUndefined();
});
