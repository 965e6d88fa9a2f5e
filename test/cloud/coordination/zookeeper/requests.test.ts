// Requests: the bytes of those that are easily got wrong, and answers of any bytes.
import fc from "fast-check";
import { expect, test } from "vitest";
import { JuteError, JuteReader, JuteWriter } from "#cloud/coordination/zookeeper/jute.ts";
import { readStat } from "#cloud/coordination/zookeeper/records.ts";
import {
  createRequest,
  deleteRequest,
  existsRequest,
  getAclRequest,
  getChildrenRequest,
  getDataRequest,
  multiRequest,
  setAclRequest,
  setDataRequest,
  syncRequest,
  whoAmIRequest,
  type Lifetime,
} from "#cloud/coordination/zookeeper/requests.ts";
import { transactionResults } from "#cloud/coordination/zookeeper/transaction.ts";

const none = new Uint8Array(0);
const stat = new Uint8Array(68).map((_, at) => at);

function modeOf(lifetime: Lifetime, sequential: boolean): readonly (number | bigint)[] {
  const { opcode, record } = createRequest("/v", { data: none, acl: [], lifetime, sequential });
  const reader = new JuteReader(record);
  reader.string();
  reader.buffer();
  reader.vector(() => undefined);
  return [opcode, reader.int(), ...(reader.left === 8 ? [reader.long()] : [])];
}

test("each lifetime of a node has its operation and its number", () => {
  expect(modeOf("persistent", false)).toEqual([15, 0]);
  expect(modeOf("ephemeral", false)).toEqual([15, 1]);
  expect(modeOf("persistent", true)).toEqual([15, 2]);
  expect(modeOf("ephemeral", true)).toEqual([15, 3]);
  expect(modeOf("container", false)).toEqual([19, 4]);
  expect(modeOf({ ttlMs: 9 }, false)).toEqual([21, 5, 9n]);
  expect(modeOf({ ttlMs: 9 }, true)).toEqual([21, 6, 9n]);
});

test("version 0 is a version, in a transaction as well", () => {
  const versionIn = (record: Uint8Array): number => new JuteReader(record.subarray(record.length - 4)).int();
  expect(versionIn(deleteRequest("/v", 0).record)).toBe(0);
  expect(versionIn(setDataRequest("/v", none, 0).record)).toBe(0);
  const { record } = multiRequest([{ type: "delete", path: "/v", version: 0 }]);
  expect(versionIn(record.subarray(0, record.length - 9))).toBe(0);
});

test("the results of a transaction are read, each of its kind", () => {
  const head = (writer: JuteWriter, opcode: number): JuteWriter => writer.int(opcode).bool(false).int(0);
  const writer = new JuteWriter();
  head(writer, 1).string("/a");
  head(writer, 15).string("/b").raw(stat);
  head(writer, 2);
  head(writer, 5).raw(stat);
  head(writer, 13);
  const bytes = writer.int(-1).bool(true).int(-1).finish();
  const results = multiRequest([]).read(new JuteReader(bytes));
  expect(results.map(({ type }) => type)).toEqual(["created", "created", "deleted", "set", "checked"]);
  const read = readStat(new JuteReader(stat));
  expect(results[1]).toEqual({ type: "created", path: "/b", stat: read });
  expect(transactionResults([], results, (path) => `!${path}`)[0]).toEqual({
    type: "created",
    path: "!/a",
    stat: undefined,
  });
});

test("a transaction that failed names the operation that was refused", () => {
  const operations = ["/a", "/b", "/c"].map((path) => ({ type: "check", path }));
  const results = [0, -103, -2].map((error) => ({ type: "failed", error }) as const);
  expect(() => transactionResults(operations, results, (path) => path)).toThrow(
    expect.objectContaining({
      code: "FOGBANK_COORDINATION_REFUSED",
      reason: "bad-version",
      index: 1,
      attempt: { operation: "multi check", path: "/b" },
      refusals: [undefined, "bad-version", undefined],
    }),
  );
});

test("an answer of any bytes is a result or a JuteError", () => {
  const plan = { data: none, acl: [], lifetime: "persistent", sequential: false } as const;
  const requests = [
    createRequest("/v", plan),
    deleteRequest("/v", 0),
    existsRequest("/v", true),
    getDataRequest("/v", false),
    setDataRequest("/v", none, -1),
    getChildrenRequest("/v", false),
    getAclRequest("/v"),
    setAclRequest("/v", [], -1),
    syncRequest("/v"),
    whoAmIRequest(),
    multiRequest([]),
  ];
  // Small numbers in the place of lengths and opcodes lead further in than random ones.
  const word = fc.oneof(fc.integer({ min: -2, max: 22 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  const likely = fc
    .array(fc.tuple(word, fc.uint8Array({ maxLength: 3 })), { maxLength: 30 })
    .map((parts) => parts.reduce((writer, [int, raw]) => writer.int(int).raw(raw), new JuteWriter()).finish());
  fc.assert(
    fc.property(fc.oneof(likely, fc.uint8Array({ maxLength: 200 })), fc.nat({ max: 10 }), (bytes, which) => {
      const reader = new JuteReader(bytes);
      try {
        requests[which]?.read(reader);
        expect(reader.left).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toBeInstanceOf(JuteError);
      }
    }),
    { numRuns: 3_000 },
  );
});
