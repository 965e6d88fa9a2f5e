import { expect, test } from "vitest";
import type { FellowAck } from "#shared/fellows/fellow-frames.ts";
import type { FellowId } from "#shared/fellows/fellow-names.ts";
import type { Route } from "#shared/fellows/membership.ts";
import {
  newOutbox,
  nextOutboxTickMs,
  stepOutbox,
  type OutboxEffect,
  type OutboxEvent,
} from "#shared/fellows/outbox.ts";
import { limits } from "#shared/limits.ts";
import { fellowOf } from "../../fakes/made-fellows.ts";

const [self, peer, other] = [fellowOf(1).uuid, fellowOf(2).uuid, fellowOf(3).uuid];
const routeOf = (uuid: FellowId): Route => ({ hostname: `/c/host-${uuid.slice(-1)}`, uuid: `/c/${uuid}` });

class Scene {
  state = newOutbox(self, 5);
  nowMs = 0;

  constructor(...present: readonly FellowId[]) {
    this.present(...present);
  }

  step(event: OutboxEvent): readonly OutboxEffect[] {
    const [state, effects] = stepOutbox(this.state, event, this.nowMs);
    this.state = state;
    return effects;
  }

  present(...uuids: readonly FellowId[]): readonly string[] {
    return texts(this.step({ type: "routes", routes: new Map(uuids.map((uuid) => [uuid, routeOf(uuid)])) }));
  }

  send(key: string, change: Partial<OutboxEvent & { type: "send" }> = {}): readonly string[] {
    return texts(this.step({ type: "send", key, to: peer, subject: "s", body: new Uint8Array(1), ...change }));
  }

  ack(number: number, change: Partial<FellowAck> = {}, from = peer): readonly string[] {
    const ack = { from: self, to: peer, life: 5, number, newestLife: 5, ...change };
    return texts(this.step({ type: "acknowledged", peer: from, ack }));
  }

  waitUntil(nowMs: number): readonly string[] {
    this.nowMs = nowMs;
    return texts(this.step({ type: "tick" }));
  }
}

function texts(effects: readonly OutboxEffect[]): readonly string[] {
  return effects.map((effect) => {
    if (effect.type === "publish") return `${effect.topic} ${effect.message.number} floor ${effect.message.floor}`;
    return effect.type === "failed" ? `failed ${effect.key} ${effect.reason}` : `delivered ${effect.key}`;
  });
}

const uuidPath = `/c/${peer}`;

test("[U30] [U-T10] what is not acknowledged in time goes to the UUID path under the same number", () => {
  const scene = new Scene(peer);
  expect(scene.send("a")).toEqual(["/c/host-2 1 floor 1"]);
  expect(nextOutboxTickMs(scene.state)).toBe(limits.fellowAckMs);
  expect(scene.waitUntil(limits.fellowAckMs - 1)).toEqual([]);
  expect(scene.waitUntil(limits.fellowAckMs)).toEqual([`${uuidPath} 1 floor 1`]);
  expect(scene.waitUntil(limits.fellowAckMs * 2)).toEqual([`${uuidPath} 1 floor 1`]);
  expect(scene.ack(1)).toEqual(["delivered a"]);
  expect(scene.ack(1)).toEqual([]);
  expect(nextOutboxTickMs(scene.state)).toBe(Number.POSITIVE_INFINITY);
});

test("[U30] every publish is QoS 2", () => {
  const scene = new Scene(peer);
  const effects = scene.step({ type: "send", key: "a", to: peer, subject: "s", body: new Uint8Array(1) });
  expect(effects).toMatchObject([{ type: "publish", qos: 2 }]);
});

test("[U30] the floor tells up to where all is done", () => {
  const scene = new Scene(peer);
  for (const key of ["a", "b", "c"]) scene.send(key);
  scene.ack(1);
  scene.ack(3);
  expect(scene.send("d")).toEqual(["/c/host-2 4 floor 2"]);
  scene.ack(2);
  expect(scene.send("e")).toEqual(["/c/host-2 5 floor 4"]);
});

test("[U-T10] an acknowledgement counts for its message alone, and from its addressee alone", () => {
  const scene = new Scene(peer, other);
  scene.send("a");
  expect(scene.ack(1, {}, other)).toEqual([]);
  expect(scene.ack(1, { life: 4, newestLife: 4 })).toEqual([]);
  expect(scene.ack(1, { from: other })).toEqual([]);
  expect(scene.ack(1, { to: other })).toEqual([]);
  expect(scene.ack(2)).toEqual([]);
  expect(scene.ack(1)).toEqual(["delivered a"]);
});

test("[U30] what nobody acknowledged fails when its life is over", () => {
  const scene = new Scene(peer);
  scene.send("a", { ttlMs: 12_000 });
  scene.waitUntil(5_000);
  scene.waitUntil(10_000);
  expect(nextOutboxTickMs(scene.state)).toBe(12_000);
  expect(scene.waitUntil(12_000)).toEqual(["failed a not-acknowledged"]);
  expect(scene.state.openBytes).toBe(0);
});

test("[U31] a fellow that is away is waited for, and what waits goes out when it is there", () => {
  const scene = new Scene();
  expect(scene.send("a")).toEqual([]);
  expect(scene.send("b", { ttlMs: 3_000 })).toEqual([]);
  expect(scene.waitUntil(3_000)).toEqual(["failed b absent"]);
  expect(scene.present(peer)).toEqual(["/c/host-2 1 floor 1"]);
  expect(scene.present(peer)).toEqual([]);
  expect(scene.present()).toEqual([]);
  expect(scene.waitUntil(20_000)).toEqual([]);
  expect(scene.present(peer)).toEqual(["/c/host-2 1 floor 1"]);
});

test("[U-T13] a fellow whose hostname is not its own alone is asked by its UUID at once", () => {
  const scene = new Scene(peer);
  scene.send("a");
  const route = { ...routeOf(peer), hostname: undefined };
  expect(texts(scene.step({ type: "routes", routes: new Map([[peer, route]]) }))).toEqual([`${uuidPath} 1 floor 1`]);
  expect(scene.send("b")).toEqual([`${uuidPath} 2 floor 1`]);
});

test("a message of an earlier life is not said to be delivered", () => {
  const scene = new Scene(peer);
  scene.send("a");
  expect(scene.ack(1, { newestLife: 9 })).toEqual(["failed a outlived"]);
});

test("what waits is bounded by what its addressee remembers, and by bytes", () => {
  const scene = new Scene(peer, other);
  for (let at = 0; at < limits.fellowWindow; at++) expect(scene.send(`m${at}`)).toHaveLength(1);
  expect(scene.send("more")).toEqual(["failed more full"]);
  for (let number = 2; number <= limits.fellowWindow; number++) scene.ack(number);
  // The first is still open: its addressee would have to remember from there on.
  expect(scene.send("more")).toEqual(["failed more full"]);
  scene.ack(1);
  expect(scene.send("more")).toEqual([`/c/host-2 ${limits.fellowWindow + 1} floor ${limits.fellowWindow + 1}`]);
  expect(scene.send("large", { body: new Uint8Array(limits.fellowMessageBytes + 1) })).toEqual([
    "failed large too-large",
  ]);
  const body = new Uint8Array(limits.fellowMessageBytes);
  let sent = 0;
  while (scene.send("x", { to: other, body })[0]?.startsWith("/c/") === true) sent++;
  expect(sent).toBe(Math.floor((limits.fellowOpenBytes - 257) / (limits.fellowMessageBytes + 256)));
});

test("numbers are not used again when a fellow was away and nothing waited for it", () => {
  const scene = new Scene(peer);
  scene.send("a");
  scene.ack(1);
  scene.present();
  expect(scene.state.lines.size).toBe(0);
  scene.present(peer);
  expect(scene.send("b")).toEqual(["/c/host-2 2 floor 2"]);
});
