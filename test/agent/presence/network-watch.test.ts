import { expect, test } from "vitest";
import { createNetworkWatch } from "#agent/presence/network-watch.ts";
import { parseNodeName } from "#shared/ids.ts";
import type { ChildPresence, ChildState } from "#shared/link/child-presence.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

interface Said {
  readonly conclusion: string;
  readonly children: { readonly online: number; readonly lost: number };
  readonly history: { readonly changes: readonly { readonly state: string }[] };
}

function scene() {
  const said: Said[] = [];
  const bus = {
    publish: async ({ payload }: { readonly payload: Uint8Array }) =>
      void said.push(JSON.parse(new TextDecoder().decode(payload)) as Said),
  };
  const clock = new FakeClock(1_000);
  const log = silentLogger();
  const watch = createNetworkWatch({ bus, clock, log }, { name: "fog-1", level: "fog", hasUplink: true });
  return { said, clock, log, watch };
}

function madeChild(name: string, state: ChildState): ChildPresence {
  const place = { level: "device", zone: undefined, tags: [] } as const;
  const heard = { heardAtMs: 1, heardMonotonicMs: 1, descendants: [] };
  return { name: parseNodeName(name), uuid: name, session: 1, conn: 1, place, state, sinceMs: 1, ...heard };
}

test("a conclusion is published and logged once per change, what is behind it with the next tick", async () => {
  const { said, clock, log, watch } = scene();
  await using _ = watch.run(async () => undefined);
  watch.uplink({ state: "up", cause: "lost", reason: undefined });
  const count = 1_000;
  for (let index = 0; index < count; index++) watch.child(madeChild(`d-${index}`, "online"));
  await clock.advance(500);
  expect(said.map(({ conclusion }) => conclusion)).toEqual(["starting", "connected", "connected"]);
  expect(said.at(-1)?.children).toMatchObject({ online: count, lost: 0 });
  for (let index = 0; index < count; index++) watch.child(madeChild(`d-${index}`, "lost"));
  await clock.advance(500);
  expect(said.slice(3).map(({ conclusion }) => conclusion)).toEqual([
    "node-failed",
    "segment-failed",
    "segment-failed",
  ]);
  expect(said.at(-1)?.children).toMatchObject({ online: 0, lost: count });
  expect(said.at(-1)?.history.changes.map(({ state }) => state)).toEqual([
    "starting",
    "connected",
    "node-failed",
    "segment-failed",
  ]);
  expect(log.lines.map(({ level }) => level)).toEqual(["info", "warn", "warn"]);
  expect(watch.stats()).toMatchObject({ partitioned: 1, segmentFailed: 1, childrenLost: count, cutOff: 0 });
});

test("an event that cannot be raised is counted and logged, and the watch goes on", async () => {
  const { clock, log, watch } = scene();
  const raised: string[] = [];
  await using _ = watch.run(async ({ name, durable, ttlMs, scope }) => {
    raised.push(`${name} ${durable} ${ttlMs} ${scope}`);
    throw new Error("no room");
  });
  watch.journal({ state: "refusing", sinceMs: 1, reason: "full" });
  watch.child(madeChild("d-1", "online"));
  await clock.advance(2000);
  watch.uplink({ state: "up", cause: "lost", reason: undefined });
  watch.uplink({ state: "down", cause: "lost", reason: "cut" });
  await clock.advance(2000);
  expect(raised).toEqual([
    "journal-full false undefined machine",
    "journal-full false undefined subtree",
    "node-joined true undefined machine",
    "partitioned true 600000 machine",
    "partitioned true 600000 subtree",
  ]);
  expect(watch.stats()).toMatchObject({ events: 5, eventsFailed: 5 });
  expect(log.lines.filter(({ phrase }) => phrase === "event not raised")).toHaveLength(5);
});
