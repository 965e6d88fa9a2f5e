// The child's end of a link over a real store, and a parent that a test plays.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOwnIdentity } from "#agent/link/own-identity.ts";
import type { DialOptions } from "#agent/link/parent-connection.ts";
import { createTreeTime } from "#agent/link/tree-time.ts";
import { startUplink } from "#agent/link/uplink.ts";
import { openNodeStoreInThread } from "#agent/store/node-store.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import type { Descendant } from "#shared/link/descendant.ts";
import {
  capabilities,
  decodeFromChild,
  encodeHeartbeat,
  encodeWelcome,
  type Heartbeat,
  type Holding,
  type Welcome,
} from "#shared/link/hello.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const name = parseNodeName("device-1");
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fogbank-uplink-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stream = { streamId: 1, name: "event", priority: 1, class: "final", order: "strict", policy: "newest" } as const;

/** A node that has numbered three messages of class final since it started, and connects. */
async function connecting(below: readonly Descendant[] = []) {
  const clock = new FakeClock();
  const log = silentLogger();
  const file = join(folder, "fogbank.db");
  const store = openNodeStoreInThread({ clock, hasher: nodeHasher }, { name, file, maxBytes: 1e8, isFinal: false });
  const fresh = { uuid: "u", epoch: 5, instance: 6 };
  const opened = await store.write("open", { fresh, streams: [stream], nowMs: 1, idsAbove: 0 });
  const body = encodeSegment([{ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false }]);
  for (let at = 0; at < 3; at++) await store.write("append", { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body });
  const random = { unit: () => 0.5, uint32: () => 77, uuid: () => "uuid" };
  const tree = {
    version: () => ({ above: 0, below: 0 }),
    descendants: () => below,
    isBelowInDoubt: () => false,
    setUplink: () => undefined,
    setUplinkAlarm: () => undefined,
    setPath: () => undefined,
    setParents: () => undefined,
    setNameAlarm: () => undefined,
  } as never;
  let control: DialOptions | undefined;
  const said: Uint8Array[] = [];
  const uplink = startUplink(
    {
      store,
      backlog: { releasedId: () => 1e9, onReleased: () => ({ [Symbol.dispose]: () => undefined }) },
      tree,
      time: createTreeTime(clock, false),
      dial: async (options) => {
        if (options.subscribe !== undefined) control = options;
        const send = (topic: string, payload: Uint8Array): void => {
          if (topic.endsWith("/h")) said.push(payload);
        };
        return { send, drop: () => undefined, async [Symbol.asyncDispose]() {} };
      },
      clock,
      random,
      log,
    },
    {
      name,
      identity: createOwnIdentity({ store, tree, clock, random, log }, opened),
      bootId: "boot",
      place: { level: "device", zone: undefined, tags: [] },
    },
  );
  await clock.advance(1000);
  const common = { nowMs: 1, creditBytes: 0, path: [] };
  const hear = async (payload: Uint8Array): Promise<void> => {
    control?.onMessage("$fog/dn/device-1/h", payload);
    await clock.advance(300);
  };
  return {
    beat: (news: Partial<Heartbeat>) =>
      hear(encodeHeartbeat({ ...common, streams: [], descendants: undefined, ...news })),
    /** What it has said since this was asked last. */
    said: () => said.splice(0),
    clock,
    welcome: (holds: readonly Holding[], able = 0) => {
      const welcome: Welcome = {
        ...common,
        version: 1,
        parent: parseNodeName("fog-1"),
        parentInstance: 8,
        session: 9,
        holds,
        capabilities: able,
      };
      return hear(encodeWelcome(welcome));
    },
    /** By epoch, how many messages are stored. */
    held: async () => (await store.read("accounting", {})).map(({ row }) => [row.epoch, row.held]),
    /** By epoch, how far the root's mark has come. */
    marked: async () => (await store.read("accounting", {})).map(({ row }) => [row.epoch, row.finalMark]),
    async [Symbol.asyncDispose]() {
      await uplink[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

const marks = [{ origin: name, epoch: 5, streamId: 1, fin: 3 }];
const heldOf = (last: number): readonly Holding[] => [{ epoch: 5, streamId: 1, ranges: last === 0 ? [] : [[1, last]] }];

test("[O1] a mark of the root that comes before the Welcome takes nothing from a copy: its messages are not those that the root has", async () => {
  await using node = await connecting();
  await node.beat({ marks });
  expect(await node.held()).toEqual([[5, 3]]);
  await node.welcome(heldOf(3));
  expect(await node.held()).toEqual([
    [5, 0],
    [77, 3],
  ]);
});

test("a mark of the root that comes before the Welcome counts after it, where nothing speaks against it", async () => {
  await using node = await connecting();
  await node.beat({ marks });
  expect(await node.marked()).toEqual([[5, 0]]);
  await node.welcome(heldOf(0));
  expect(await node.marked()).toEqual([[5, 3]]);
});

test("[X15] what ten thousand children do not find place for in the hello follows in heartbeats, each after the answer to the last", async () => {
  const place = { level: "device", zone: "z".repeat(100), tags: [] } as const;
  const below = Array.from({ length: limits.descendants }, (_, n) => {
    return { ...place, name: parseNodeName(`${"d".repeat(55)}-${n}`), parent: name, online: true, sinceMs: 1 };
  });
  await using node = await connecting(below);
  const heard = new Set<string>();
  /** The portions of what it has said. */
  const portions = (): readonly number[] =>
    node.said().flatMap((bytes) => {
      expect(bytes.length).toBeLessThan(limits.descendantBytesOfBeat + 4_096);
      const decoded = decodeFromChild(bytes);
      if (!("frame" in decoded)) throw new Error(decoded.malformed);
      if ("hello" in decoded.frame) for (const one of decoded.frame.hello.descendants) heard.add(one.name);
      const news = "beat" in decoded.frame ? decoded.frame.beat.below : undefined;
      for (const [, one] of news?.told ?? []) heard.add(one.name);
      return news === undefined ? [] : [news.portion];
    });
  expect(portions()).toEqual([]);
  await node.welcome(heldOf(0), capabilities.descendantNews);
  await node.clock.advance(2_000);
  expect(portions()).toEqual([1]);
  await node.clock.advance(2_000);
  expect(portions()).toEqual([]);
  for (let portion = 1; heard.size < limits.descendants && portion < 100; portion++) {
    await node.beat({ belowHeard: portion });
    await node.clock.advance(1_500);
    expect(portions()).toEqual([portion + 1]);
  }
  expect(heard.size).toBe(limits.descendants);
});
