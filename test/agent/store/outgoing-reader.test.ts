import { deflateRawSync } from "node:zlib";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { inflatedSegments } from "#agent/store/body-deflation.ts";
import { Budget } from "#agent/store/budget.ts";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createLinkOperations } from "#agent/store/link-operations.ts";
import type { OutgoingRequest } from "#agent/store/outgoing-reader.ts";
import { IdentityRepository } from "#agent/store/identity-repository.ts";
import { OfferedNumbers } from "#agent/store/offered-numbers.ts";
import { QuarantineRepository } from "#agent/store/quarantine-repository.ts";
import { SegmentRepository } from "#agent/store/segment-repository.ts";
import { StreamRepository } from "#agent/store/stream-repository.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { decodeSegment, encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import type { Repair } from "#shared/journal/tree-clock.ts";
import { presetOrder, type Priority, type StreamState } from "#shared/journal/stream.ts";
import { decodeBatch, frameBatch, type WireSegment } from "#shared/link/frames.ts";
import { limits } from "#shared/limits.ts";

const databases: DatabaseSync[] = [];
afterEach(() => {
  for (const database of databases.splice(0)) database.close();
});

interface Place {
  readonly origin?: string;
  readonly streamId?: number;
  readonly priority?: Priority;
  readonly order?: StreamState["order"];
}

/** A fog's store with what its children sent, and its sender's side. */
class Scene {
  readonly database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  readonly streams = new StreamRepository(this.database);
  readonly segments = new SegmentRepository(this.database, this.streams);
  shift: Repair | undefined;
  readonly #identity = new IdentityRepository(this.database);
  readonly operations = createLinkOperations(
    this.database,
    {
      identity: this.#identity,
      offered: new OfferedNumbers(this.#identity, this.streams, "fog-1"),
      streams: this.streams,
      segments: this.segments,
      clocks: { shiftOf: () => this.shift, repaired: (segment) => segment, idOf: () => 0 },
      quarantined: new QuarantineRepository(this.database, Infinity),
      hasher: nodeHasher,
    },
    { name: parseNodeName("fog-1"), isFinal: false, budget: new Budget(this.database) },
  );
  generation = 1;
  session = 1;
  nowMs = 0;
  /** What the last reads reported. */
  dry: readonly Priority[] = [];
  damaged: readonly unknown[] = [];

  constructor() {
    databases.push(this.database);
  }

  /** Stores numbers first…last of a stream, one segment. */
  store(first: number, last: number, place: Place = {}, payload = new Uint8Array(10)): void {
    this.ingest([segmentOf(first, last, place, payload)], place);
  }

  ingest(segments: readonly WireSegment[], { origin = "device-1", streamId = 1, priority = 2, order }: Place = {}) {
    const traits = { class: "custody", order: order ?? presetOrder(priority), policy: "oldest" } as const;
    const stream: StreamState = { origin, epoch: 9, streamId, name: `s${streamId}`, priority, high: 0, ...traits };
    const batch = { streams: [stream], lows: [], segments: inflatedSegments(segments) };
    return this.operations.writes.ingest({ child: origin, batch, nowMs: 1 });
  }

  read(change: Partial<OutgoingRequest> = {}): readonly WireSegment[] {
    const { generation, session, nowMs } = this;
    const read = this.operations.reads.outgoing({
      lane: "bulk",
      generation,
      session,
      nowMs,
      choices: [{ priority: 2, bytes: 1_000_000 }],
      idMax: Number.MAX_SAFE_INTEGER,
      crowded: [],
      acked: [],
      deflate: false,
      stamps: { offsetMs: 0, synced: true },
      ...change,
    });
    this.dry = read.dry;
    this.damaged = read.damaged;
    if (read.found === null) return [];
    const head = { session: 1, lane: "bulk" as const, frameNumber: 1, streams: [], lows: [] };
    const decoded = decodeBatch(frameBatch(head, read.found.segments), "fog-1");
    if ("malformed" in decoded) throw new Error(decoded.malformed);
    return decoded.frame.segments;
  }

  /** One segment a frame. */
  next(): number | undefined {
    return this.read({ choices: [{ priority: 2, bytes: 1 }] })[0]?.first;
  }

  /** All that can be read until nothing is left, as first numbers. */
  drain(change: Partial<OutgoingRequest> = {}): readonly number[] {
    const firsts: number[] = [];
    for (;;) {
      const found = this.read({ choices: [{ priority: 2, bytes: 1 }], ...change });
      if (found.length === 0) return firsts;
      firsts.push(...found.map(({ first }) => first));
    }
  }

  forget(first: number, last: number, origin = "device-1"): void {
    this.operations.writes.forget({ acked: [{ origin, epoch: 9, streamId: 1, ranges: [[first, last]] }] });
  }
}

function segmentOf(first: number, last: number, { origin = "device-1", streamId = 1 }: Place, payload: Uint8Array) {
  const items = Array.from({ length: last - first + 1 }, (_, index) => {
    return { timeMs: 1000 + first + index, topic: "/data/x", payload, retain: false };
  });
  const body = encodeSegment(items);
  return {
    origin,
    epoch: 9,
    streamId,
    first,
    items: items.length,
    firstMs: 1000 + first,
    lastMs: 1000 + last,
    flags: 0,
    crc: nodeHasher.crc32(body),
    body,
    gap: undefined,
  } satisfies WireSegment;
}

const strict: Place = { order: "strict" };

test("a live-first stream is sent from its newest segment down, what comes meanwhile before the rest", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9);
  expect([scene.next(), scene.next()]).toEqual([21, 11]);
  scene.store(31, 40);
  expect(scene.drain()).toEqual([31, 1]);
});

test("a strict stream is sent by number, what arrives below first", () => {
  const scene = new Scene();
  for (const first of [11, 21, 31]) scene.store(first, first + 9, strict);
  expect(scene.next()).toBe(11);
  scene.store(1, 10, strict);
  expect(scene.drain()).toEqual([1, 21, 31]);
});

test("nothing is handed out twice in one generation, and everything that is left in the next", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9, strict);
  expect(scene.drain()).toEqual([1, 11, 21]);
  expect(scene.dry).toEqual([2]);
  scene.forget(11, 20);
  scene.generation++;
  expect(scene.drain()).toEqual([1, 21]);
});

test("what was acknowledged and is not deleted yet is not sent again, not even in a new generation", () => {
  const scene = new Scene();
  for (const first of [1, 11]) scene.store(first, first + 9, strict);
  scene.drain();
  scene.generation++;
  const acked = [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 10] as const] }];
  expect(scene.drain({ acked })).toEqual([11]);
  const key = { origin: scene.streams.originId("device-1", 9), stream: 1 };
  expect(scene.operations.sentOf(key)).toEqual([[1, 20]]);
  scene.forget(1, 20);
  expect(scene.operations.sentOf(key)).toEqual([]);
});

test("numbers that came again after they were handed on are sent again", () => {
  const scene = new Scene();
  scene.store(1, 10);
  expect(scene.next()).toBe(1);
  scene.forget(1, 10);
  scene.store(1, 10);
  expect(scene.drain()).toEqual([1]);
});

test("one origin with a long backlog does not keep the others out of a frame", () => {
  const scene = new Scene();
  const payload = new Uint8Array(1000);
  for (let first = 1; first <= 50; first++) scene.store(first, first, { origin: "device-1" }, payload);
  for (const origin of ["device-2", "device-3"]) {
    for (let first = 1; first <= 3; first++) scene.store(first, first, { origin }, payload);
  }
  const origins = scene.read({ choices: [{ priority: 2, bytes: 12_000 }] }).map(({ origin }) => origin);
  expect(origins.filter((origin) => origin === "device-1").length).toBeGreaterThan(3);
  expect(origins.filter((origin) => origin !== "device-1")).toHaveLength(6);
});

test("many streams of one origin have one origin's share", () => {
  const scene = new Scene();
  const payload = new Uint8Array(1000);
  for (let streamId = 1; streamId <= 30; streamId++) scene.store(1, 1, { streamId }, payload);
  for (let first = 1; first <= 30; first++) scene.store(first, first, { origin: "device-2" }, payload);
  const origins = scene.read({ choices: [{ priority: 2, bytes: 22_000 }] }).map(({ origin }) => origin);
  const ofTheSecond = origins.filter((origin) => origin === "device-2").length;
  expect(Math.abs(2 * ofTheSecond - origins.length)).toBeLessThanOrEqual(2);
});

test("with thousands of streams waiting, a frame looks at those that are in it, and all have their turn", () => {
  const scene = new Scene();
  const origins = Array.from({ length: 2_000 }, (_, index) => `device-${index}`);
  for (const origin of origins) scene.store(1, 1, { origin });
  let looks = 0;
  const outgoing = scene.streams.outgoing.bind(scene.streams);
  scene.streams.outgoing = (key) => {
    looks++;
    return outgoing(key);
  };
  const seen = new Set<string>();
  scene.read({ choices: [{ priority: 2, bytes: 1 }] }).forEach(({ origin }) => seen.add(origin));
  looks = 0;
  for (let frame = 0; frame < 50; frame++) {
    scene.read({ choices: [{ priority: 2, bytes: 4_000 }] }).forEach(({ origin }) => seen.add(origin));
  }
  // A look at each in the frame, and one at the stream that found no more room.
  expect(looks).toBeLessThanOrEqual(seen.size + 50);
  scene.drain().forEach(() => undefined);
  scene.generation++;
  const again = new Set<string>();
  for (let frame = 0; frame < 2_000 && again.size < origins.length; frame++) {
    scene.read({ choices: [{ priority: 2, bytes: 20_000 }] }).forEach(({ origin }) => again.add(origin));
  }
  expect(again.size).toBe(origins.length);
});

test("what the local subscribers have not had yet waits, and goes when it is released", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9, strict);
  expect(scene.drain({ idMax: 1 })).toEqual([1]);
  expect(scene.drain({ idMax: 1 })).toEqual([]);
  expect(scene.drain({ idMax: 2 })).toEqual([11]);
  expect(scene.drain()).toEqual([21]);
});

test("a lane serves the first of its priorities that has something", () => {
  const scene = new Scene();
  scene.store(1, 10, { streamId: 3, priority: 3 });
  const choices = [2, 3].map((priority) => ({ priority: priority as Priority, bytes: 1000 }));
  expect(scene.read({ choices })).toMatchObject([{ streamId: 3 }]);
  expect(scene.dry).toEqual([2]);
  expect(scene.read({ choices })).toEqual([]);
  expect(scene.dry).toEqual([2, 3]);
});

test("numbers of a final stream that the parent has are kept and not sent", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9, strict);
  scene.database.exec("UPDATE stream SET handed = x'81820114'");
  expect(scene.drain()).toEqual([21]);
});

test("what was stored before the session began is historical, and stays so on its way", () => {
  const scene = new Scene();
  scene.store(1, 10, strict);
  const [before] = scene.read();
  expect(before?.flags).toBe(segmentFlags.historical);
  scene.store(11, 20, strict);
  expect(scene.read()[0]?.flags).toBe(0);
  const next = new Scene();
  next.read();
  next.ingest(before === undefined ? [] : [before]);
  expect(next.read()).toMatchObject([{ flags: segmentFlags.historical, firstMs: 1001, lastMs: 1010 }]);
});

test("times of a clock that was wrong are put right on the wire, and stay as they are in the store", () => {
  const scene = new Scene();
  scene.read();
  scene.store(1, 3, strict);
  scene.database.exec("UPDATE segment SET clock = 1");
  scene.shift = { shiftMs: 500, synced: true, isAdrift: false };
  const [segment] = scene.read();
  expect(segment).toMatchObject({ flags: 0, firstMs: 1501, lastMs: 1503 });
  const body = segment?.body ?? new Uint8Array();
  expect(segment?.crc).toBe(nodeHasher.crc32(body));
  expect(decodeSegment(body, 3)?.map(({ timeMs }) => timeMs)).toEqual([1501, 1502, 1503]);
  expect(scene.segments.readAfter(0, 1)[0]).toMatchObject({ firstMs: 1001 });
  scene.generation++;
  scene.shift = { shiftMs: 0, synced: false, isAdrift: false };
  expect(scene.read()).toMatchObject([{ flags: segmentFlags.unsynced, firstMs: 1001 }]);
});

test("[O9] a body that has changed on disk is reported, and the others go", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9, strict);
  scene.database.exec("UPDATE segment SET body = zeroblob(length(body)) WHERE first = 11");
  expect(scene.read().map(({ first }) => first)).toEqual([1, 21]);
  expect(scene.damaged).toEqual([{ origin: "device-1", epoch: 9, streamId: 1, first: 11 }]);
  const [ref] = [{ origin: "device-1", epoch: 9, streamId: 1, first: 11 }];
  expect(scene.operations.writes.quarantine({ ...ref, reason: "corrupt", nowMs: 1 }).messages).toBe(10);
  expect(scene.read()).toMatchObject([{ first: 11, items: 10, body: null, gap: { reasonCode: 3 } }]);
});

test("[O9] a segment that the parent refuses waits alone, longer each time, and is given up at last", () => {
  const scene = new Scene();
  for (const first of [1, 11]) scene.store(first, first + 9, strict);
  const nak = { origin: "device-1", epoch: 9, streamId: 1, first: 1, code: "not-below" as const };
  const refused = () => scene.operations.writes.refused({ naks: [nak], nowMs: 1, monotonicMs: scene.nowMs });
  expect(scene.next()).toBe(1);
  expect(refused().messages).toBe(0);
  expect(scene.drain()).toEqual([11]);
  const pausesMs: number[] = [];
  for (let round = 1; round < limits.refusalsMax; round++) {
    const fromMs = scene.nowMs;
    while (scene.next() === undefined) scene.nowMs += 100;
    pausesMs.push(scene.nowMs - fromMs);
    expect(refused().messages).toBe(round + 1 < limits.refusalsMax ? 0 : 10);
  }
  expect(pausesMs).toEqual([1000, 4000]);
  expect(scene.read()).toMatchObject([{ first: 1, items: 10, gap: { reasonCode: 4 } }]);
});

test("[O9] what the parent refuses because it hears the origin elsewhere is sent again and again, and never given up", () => {
  const scene = new Scene();
  scene.store(1, 10, strict);
  const nak = { origin: "device-1", epoch: 9, streamId: 1, first: 1, code: "elsewhere" as const };
  for (let round = 0; round <= 2 * limits.refusalsMax; round++) {
    expect(scene.next()).toBe(1);
    const { messages } = scene.operations.writes.refused({ naks: [nak], nowMs: 1, monotonicMs: scene.nowMs });
    expect(messages).toBe(0);
    expect(scene.next()).toBeUndefined();
    scene.nowMs += limits.elsewherePauseMs;
  }
  // Nor does it count when there is another reason once.
  const other = { ...nak, code: "not-below" as const };
  expect(scene.next()).toBe(1);
  expect(scene.operations.writes.refused({ naks: [other], nowMs: 1, monotonicMs: scene.nowMs }).messages).toBe(0);
});

test("[O6] a stream of which the parent has many ranges is sent oldest first", () => {
  const scene = new Scene();
  scene.ingest([]);
  const own: StreamState = { ...describeOwn(), order: "live-first" };
  scene.streams.describe(own, 1);
  const key = { origin: scene.streams.originId("fog-1", 5), stream: 1 };
  const append = () => {
    const { items, firstMs, lastMs, flags, crc, body } = segmentOf(1, 1, {}, new Uint8Array(3));
    return scene.segments.append(key, { items, firstMs, lastMs, flags, crc, body });
  };
  for (let count = 0; count < 3; count++) append();
  expect(scene.drain({ crowded: [{ epoch: 5, streamId: 1 }] })).toEqual([1, 2, 3]);
  scene.session++;
  scene.generation++;
  expect(scene.drain()).toEqual([3, 2, 1]);
});

test("[O6] so is one that began with its newest in many sessions without ever being empty, until it is", () => {
  const scene = new Scene();
  for (const first of [1, 11, 21]) scene.store(first, first + 9);
  for (let session = 0; session < limits.rangesBeforeOldestFirst; session++) {
    expect(scene.next()).toBe(21);
    scene.session++;
    scene.generation++;
  }
  expect(scene.drain()).toEqual([1, 11, 21]);
  scene.forget(1, 30);
  scene.read();
  for (const first of [31, 41]) scene.store(first, first + 9);
  expect(scene.drain()).toEqual([41, 31]);
});

test("deflated bodies are stored as they were, and a bomb is refused without being unpacked", () => {
  const scene = new Scene();
  scene.store(1, 10, strict, new Uint8Array(500));
  const [sent] = scene.read({ deflate: true });
  expect((sent?.flags ?? 0) & segmentFlags.deflate).toBe(segmentFlags.deflate);
  expect(sent?.body?.length).toBeLessThan(500);
  const next = new Scene();
  expect(next.ingest(sent === undefined ? [] : [sent])).toMatchObject({ stored: 10, naks: [] });
  const [plain] = scene.segments.readAfter(0, 1);
  expect(next.segments.readAfter(0, 1)[0]).toMatchObject({ crc: plain?.crc, body: plain?.body });
  const bomb = deflateRawSync(new Uint8Array(100 * limits.frameBytes));
  const first = 11;
  const outcome = next.ingest([{ ...segmentOf(first, 20, {}, bomb), body: bomb, flags: segmentFlags.deflate }]);
  expect(outcome).toMatchObject({ stored: 0, naks: [{ segment: { first }, code: "corrupt" }] });
  expect(next.ingest([{ ...segmentOf(first, 20, {}, bomb), flags: segmentFlags.deflate }]).naks).toHaveLength(1);
});

test("the deflated bodies of one batch are unpacked up to a bound, one by one and together", () => {
  const payload = new Uint8Array(limits.journalPayloadBytes);
  const topic = "t".repeat(limits.topicBytes);
  const deflatedOf = (first: number, body: Uint8Array): WireSegment => {
    const crc = nodeHasher.crc32(body);
    return { ...segmentOf(first, first, {}, body), body: deflateRawSync(body), crc, flags: segmentFlags.deflate };
  };
  const largest = encodeSegment([{ timeMs: 1, topic, payload, retain: true }]);
  const scene = new Scene();
  expect(scene.ingest([deflatedOf(1, largest)])).toMatchObject({ stored: 1, naks: [] });
  const tooLarge = encodeSegment([{ timeMs: 1, topic, payload: new Uint8Array(2 * payload.length), retain: true }]);
  expect(scene.ingest([deflatedOf(2, tooLarge), deflatedOf(3, largest)])).toMatchObject({
    stored: 1,
    naks: [{ segment: { first: 2 }, code: "corrupt" }],
  });
  const fitting = Math.floor(limits.inflatedBytesOfBatch / largest.length);
  const many = Array.from({ length: 10 }, (_, index) => deflatedOf(index + 4, largest));
  const outcome = scene.ingest(many);
  expect(outcome.stored).toBe(fitting);
  expect(outcome.naks.map(({ segment, code }) => [segment.first, code])).toEqual(
    many.slice(fitting).map(({ first }) => [first, "corrupt"]),
  );
  // They are not lost: another batch brings them.
  expect(scene.ingest(many.slice(fitting, 2 * fitting))).toMatchObject({ stored: fitting, naks: [] });
});

test("[O1] whatever is stored, sent, deleted and begun anew in whatever order: all that is stored is handed out, once a generation", () => {
  const place = fc.record({
    origin: fc.constantFrom("device-1", "device-2", "device-3"),
    order: fc.constantFrom("strict" as const, "live-first" as const),
  });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("store" as const), place, skip: fc.nat({ max: 2 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constant("read" as const), bytes: fc.integer({ min: 1, max: 900 }) }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("forget" as const), nth: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("restart" as const, "session" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scene = new Scene();
      const nextByOrigin = new Map<string, number>();
      const stored = new Map<string, readonly [origin: string, first: number]>();
      const sent = new Set<string>();
      for (const each of steps) {
        if (each.type === "store") {
          const origin = each.place.origin;
          const first = (nextByOrigin.get(origin) ?? 1) + each.skip;
          nextByOrigin.set(origin, first + 3);
          scene.store(first, first + 2, each.place);
          stored.set(`${origin}/${first}`, [origin, first]);
        } else if (each.type === "read") {
          for (const { origin, first } of scene.read({ choices: [{ priority: 2, bytes: each.bytes }] })) {
            expect(sent.has(`${origin}/${first}`)).toBe(false);
            expect(stored.has(`${origin}/${first}`)).toBe(true);
            sent.add(`${origin}/${first}`);
          }
        } else if (each.type === "forget") {
          const name = [...sent][each.nth % Math.max(1, sent.size)];
          const [origin, first] = stored.get(name ?? "") ?? [];
          if (name === undefined || first === undefined) continue;
          scene.forget(first, first + 2, origin);
          stored.delete(name);
          sent.delete(name);
        } else {
          scene.generation++;
          if (each.type === "session") scene.session++;
          sent.clear();
        }
      }
      for (;;) {
        const found = scene.read({ choices: [{ priority: 2, bytes: 500 }] });
        if (found.length === 0) break;
        for (const { origin, first } of found) {
          expect(sent.has(`${origin}/${first}`)).toBe(false);
          sent.add(`${origin}/${first}`);
        }
      }
      expect([...sent].toSorted()).toEqual([...stored.keys()].toSorted());
    }),
    { numRuns: 60 },
  );
});

function describeOwn(): StreamState {
  return {
    origin: "fog-1",
    epoch: 5,
    streamId: 1,
    name: "data",
    priority: 2,
    class: "custody",
    order: "live-first",
    policy: "oldest",
    high: 0,
  };
}
