import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName, type Level } from "#shared/ids.ts";
import {
  capabilities,
  decodeFromChild,
  decodeFromParent,
  encodeHeartbeat,
  encodeHello,
  encodeRefusal,
  encodeWelcome,
  type Heartbeat,
  type Hello,
  type Welcome,
} from "#shared/link/hello.ts";

const name = fc.constantFrom("device-1", "fog-1", "cloud-1").map(parseNodeName);
const level = fc.constantFrom<Level>("device", "fog", "cloud");
const time = fc.nat({ max: 4_102_444_800_000 });
const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
const tags = fc.array(fc.constantFrom("pump", "north"), { maxLength: 2 });
const zone = fc.constantFrom(undefined, "hall-3");
const stream = fc.record({
  origin: name,
  epoch: u32,
  streamId: fc.integer({ min: 1, max: 64 }),
  name: fc.constant("data"),
  priority: fc.constantFrom(0, 1, 2, 3),
  class: fc.constant("custody" as const),
  order: fc.constantFrom("strict", "live-first"),
  policy: fc.constantFrom("oldest", "newest", "decimate", "ttl"),
  high: fc.nat(),
});
const bearer = fc.record({
  uuid: fc.uuid(),
  epochs: fc.array(u32, { maxLength: 3 }),
  parents: fc.array(name, { maxLength: 3 }),
});
const degrees = fc.double({ min: -90, max: 90, noNaN: true }).filter((value) => !Object.is(value, -0));
const site = fc.record({
  lat: fc.option(degrees, { nil: undefined }),
  lon: fc.option(fc.oneof(degrees, fc.integer({ min: -180, max: 180 })), { nil: undefined }),
  class: fc.option(fc.constantFrom("pump", "a-1"), { nil: undefined }),
});
const sited = fc.oneof(
  fc.constant({}),
  site.map((known) => ({ site: known })),
);
const borne = fc.oneof(
  fc.constant({}),
  fc.record({ bearer }),
  fc.record({ bearer, isKeptOut: fc.constant(true as const) }),
);
const descendant = fc
  .tuple(fc.record({ name, parent: name, level, zone, tags, online: fc.boolean(), sinceMs: time }), borne, sited)
  .map(([plain, who, where]) => ({ ...plain, ...who, ...where }));
const missing = fc.constantFrom("list" as const, "changes" as const);
const below = fc.record({
  portion: u32,
  told: fc.array(fc.tuple(u32, descendant), { maxLength: 3 }),
  gone: fc.array(u32, { maxLength: 3 }),
  missing: fc.option(missing, { nil: undefined }),
});
const hop = fc.record({
  name,
  level,
  uplink: fc.constantFrom("up" as const, "down" as const, "root" as const),
  sinceMs: time,
});

const mark = fc.record({ origin: name, epoch: u32, streamId: fc.constant(1), fin: fc.maxSafeNat() });
const shortage = fc.record({
  origin: name,
  epoch: u32,
  streamId: fc.constant(1),
  ranges: fc.constant([
    [1, 2],
    [5, 2 ** 40],
  ] as const),
});
const segmentMark = fc.record({ streamId: fc.constant(1), last: fc.maxSafeNat(), items: fc.nat(1000), crc: u32 });

const hello: fc.Arbitrary<Hello> = fc.record({
  version: fc.constant(1),
  name,
  epoch: u32,
  bootId: fc.uuid(),
  streams: fc.array(stream, { maxLength: 3 }),
  nowMs: time,
  conn: u32,
  uuid: fc.uuid(),
  place: fc.tuple(fc.record({ level, zone, tags }), sited).map(([plain, more]) => ({ ...plain, ...more })),
  descendants: fc.array(descendant, { maxLength: 4 }),
  lows: fc.array(fc.record({ epoch: u32, streamId: fc.constant(1), low: fc.nat() }), { maxLength: 2 }),
});
const urgentCredit = fc.oneof(
  fc.constant({}),
  fc.nat().map((urgentCreditBytes) => ({ urgentCreditBytes })),
);
const abilities = fc.oneof(
  fc.constant({}),
  fc.constant({ capabilities: capabilities.deflate }),
  time.map((parentSinceMs) => ({ parentSinceMs })),
);
const names = fc.array(name, { maxLength: 3 });
const withRelays = fc
  .tuple(hello, names, names, missing)
  .map(([plain, relays, parents, more]) => ({ ...plain, relays, parents, missing: more }));
const plainWelcome = fc.record({
  version: fc.constant(1),
  parent: name,
  parentInstance: u32,
  session: u32,
  holds: fc.array(fc.record({ epoch: u32, streamId: fc.constant(1), ranges: fc.constant([[1, 9] as const]) }), {
    maxLength: 2,
  }),
  creditBytes: fc.nat(),
  nowMs: time,
  path: fc.array(hop, { maxLength: 4 }),
});
const welcome: fc.Arbitrary<Welcome> = fc
  .tuple(plainWelcome, urgentCredit, abilities)
  .map(([plain, urgent, able]) => ({ ...plain, ...urgent, ...able }));
const syncedWelcome = fc.tuple(welcome, segmentMark, name).map(([plain, one, origin]) => ({
  ...plain,
  synced: true,
  relayed: plain.holds.map((held) => ({ ...held, origin })),
  holds: plain.holds.map((held) => ({ ...held, mark: one })),
}));
const plainBeat = fc.record({
  nowMs: time,
  streams: fc.array(stream, { maxLength: 2 }),
  creditBytes: fc.option(fc.nat(), { nil: undefined }),
  path: fc.option(fc.array(hop, { maxLength: 2 }), { nil: undefined }),
  descendants: fc.option(fc.array(descendant, { maxLength: 2 }), { nil: undefined }),
});
const beat: fc.Arbitrary<Heartbeat> = fc
  .tuple(plainBeat, urgentCredit)
  .map(([plain, urgent]) => ({ ...plain, ...urgent }));
const fullBeat: fc.Arbitrary<Heartbeat> = fc
  .tuple(
    beat,
    fc.boolean(),
    fc.array(mark, { maxLength: 3 }),
    fc.array(name, { maxLength: 3 }),
    fc.array(shortage),
    below,
  )
  .map(([plain, synced, marks, relays, wanted, news]) => ({
    ...plain,
    synced,
    marks,
    relays,
    wanted,
    below: news,
    belowHeard: news.portion,
  }));

test("hello and heartbeat of a child survive the wire and are told apart", () => {
  fc.assert(
    fc.property(fc.oneof(hello, withRelays), (sent) => {
      expect(decodeFromChild(encodeHello(sent))).toEqual({ frame: { hello: sent } });
    }),
  );
  fc.assert(
    fc.property(fc.oneof(beat, fullBeat), (sent) => {
      expect(decodeFromChild(encodeHeartbeat(sent))).toEqual({ frame: { beat: sent } });
    }),
  );
});

test("welcome, refusal and heartbeat of a parent survive the wire and are told apart", () => {
  fc.assert(
    fc.property(fc.oneof(welcome, syncedWelcome), (sent) => {
      expect(decodeFromParent(encodeWelcome(sent))).toEqual({ frame: { welcome: sent } });
    }),
  );
  fc.assert(
    fc.property(fc.oneof(beat, fullBeat), (sent) => {
      expect(decodeFromParent(encodeHeartbeat(sent))).toEqual({ frame: { beat: sent } });
    }),
  );
  const refusal = { code: "loop" as const, retryAfterMs: 5000, text: "ring" };
  expect(decodeFromParent(encodeRefusal(refusal))).toEqual({ frame: { refusal } });
});

test("keys that are not known yet are ignored", () => {
  // {8: 5, 99: "later"}
  const bytes = Uint8Array.of(0xa2, 0x08, 0x05, 0x18, 0x63, 0x65, 0x6c, 0x61, 0x74, 0x65, 0x72);
  const frame = { beat: { nowMs: 5, streams: [], creditBytes: undefined, path: undefined, descendants: undefined } };
  expect(decodeFromChild(bytes)).toEqual({ frame });
});

test("random bytes are malformed, never a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decoded of [decodeFromChild(bytes), decodeFromParent(bytes)])
        expect("frame" in decoded || decoded.malformed !== "").toBe(true);
    }),
  );
});
