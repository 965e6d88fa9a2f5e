// The session machine by examples: greeting, pings, silence, expiry by its own clock, reconnects, watches, operations, the end.
import { expect, test } from "vitest";
import { JuteReader } from "#cloud/coordination/zookeeper/jute.ts";
import { nextDeadlineMs, validUntilMs, type SessionEffect } from "#cloud/coordination/zookeeper/session-state.ts";
import { setDataRequest } from "#cloud/coordination/zookeeper/requests.ts";
import { limits } from "#shared/limits.ts";
import {
  dataRecord,
  greeting,
  notification,
  pong,
  reply,
  requestsOf,
  SessionScene,
  statRecord,
} from "./session-scene.ts";

const typesOf = (effects: readonly SessionEffect[]): readonly string[] => effects.map(({ type }) => type);

function failures(effects: readonly SessionEffect[]): readonly (readonly [number, string, string])[] {
  return effects.flatMap((effect) =>
    effect.type === "fail" ? [[effect.operation, effect.error.reason, effect.error.outcome] as const] : [],
  );
}

test("a new session is asked for, and what has waited is sent after credentials and watches", () => {
  const scene = new SessionScene();
  scene.do({ type: "authenticate", credentials: { scheme: "digest", secret: Uint8Array.of(1) } });
  scene.submit();
  scene.do({ type: "tick" }).do({ type: "opened" });
  const [dial, connect] = scene.take();
  expect(dial).toEqual({ type: "dial", server: 0 });
  const reader = new JuteReader(connect?.type === "send" ? connect.bytes.subarray(4) : new Uint8Array(0));
  const asked = [reader.int(), reader.long(), reader.int(), reader.long(), reader.buffer(), reader.bool()];
  expect(asked).toEqual([0, 0n, 4_000, 0n, new Uint8Array(16), false]);
  scene.hear(greeting(7n, 3_000));
  const effects = scene.take();
  expect(typesOf(effects)).toEqual(["send", "session", "send"]);
  expect(requestsOf(effects)).toEqual([
    { xid: -4, opcode: 100 },
    { xid: 1, opcode: 5 },
  ]);
  expect(effects[1]).toEqual({
    type: "session",
    change: { type: "connected", sessionId: 7n, timeoutMs: 3_000, isNew: true },
  });
});

test("an idle connection is pinged after a third of the timeout, and given up after two thirds of silence", () => {
  const scene = new SessionScene().connect();
  scene.pass(1_333);
  expect(scene.take()).toEqual([]);
  scene.pass(1);
  expect(requestsOf(scene.take())).toEqual([{ xid: -2, opcode: 11 }]);
  scene.pass(1_332);
  expect(scene.take()).toEqual([]);
  scene.pass(1);
  expect(scene.state.link.at).toBe("waiting");
  expect(scene.changes()).toEqual(["suspended"]);
});

test("answered pings keep the session, and prove it from when they were sent", () => {
  const scene = new SessionScene().connect();
  for (let round = 0; round < 5; round++) {
    scene.pass(1_400);
    const { link } = scene.state;
    const sentAtMs = link.at === "running" ? link.pingSentAtMs : undefined;
    scene.pass(300).hear(pong());
    expect(validUntilMs(scene.state)).toBe((sentAtMs ?? 0) + 4_000);
  }
  expect(scene.changes()).toEqual([]);
});

test("notifications prove nothing: the session is presumed lost by our own clock, before its operations fail", () => {
  const scene = new SessionScene().connect();
  scene.submit();
  scene.take();
  for (let ms = 0; ms < 3_900; ms += 300) scene.pass(300).hear(notification(3, "/other"));
  scene.pass(100);
  const effects = scene.take();
  const told = effects.findIndex((effect) => effect.type === "session" && effect.change.type === "presumed-lost");
  const failed = effects.findIndex(({ type }) => type === "fail");
  expect(told).toBeGreaterThanOrEqual(0);
  expect(failed).toBeGreaterThan(told);
  expect(failures(effects)).toEqual([[1, "connection-lost", "unknown"]]);
});

test("a process that stood still learns that its time is over before it believes an answer", () => {
  const scene = new SessionScene().connect();
  scene.submit();
  scene.take();
  scene.nowMs += 4_001;
  scene.hear(reply(1, 1n, 0, statRecord));
  expect(scene.take().some(({ type }) => type === "succeed")).toBe(false);
  expect(scene.state.presumedLost).toBe(true);
});

test("after a loss the next server is dialled at once, with the session's id and the last change it has seen", () => {
  const scene = new SessionScene().connect();
  scene.hear(pong(41n)).pass(1_000);
  scene.do({ type: "closed", reason: "gone" });
  scene.pass(limits.coordinationNextServerMs);
  expect(scene.take().filter(({ type }) => type === "dial")).toEqual([{ type: "dial", server: 1 }]);
  scene.do({ type: "opened" });
  const [connect] = scene.take();
  const reader = new JuteReader(connect?.type === "send" ? connect.bytes.subarray(4) : new Uint8Array(0));
  const asked = [reader.int(), reader.long(), reader.int(), reader.long()];
  expect([...asked, reader.buffer()]).toEqual([0, 41n, 4_000, 7n, new Uint8Array(16).fill(9)]);
  scene.hear(greeting(7n, 4_000));
  expect(scene.take()).toEqual([
    { type: "session", change: { type: "connected", sessionId: 7n, timeoutMs: 4_000, isNew: false } },
  ]);
});

test("a server that does not answer has a share of the timeout, and rounds without success wait longer, with a cap", () => {
  const scene = new SessionScene();
  const dials: number[] = [];
  for (let ms = 0; ms < 30_000; ms++) {
    scene.pass(1);
    if (scene.take().some(({ type }) => type === "dial")) dials.push(scene.nowMs);
  }
  const gaps = dials.slice(1).map((at, index) => at - (dials[index] ?? 0));
  expect(gaps.slice(0, 2).every((gap) => gap >= 1_334 && gap <= 1_346)).toBe(true);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1_334 + 1 + limits.coordinationBackoffMsMax);
  expect(gaps.at(-1)).toBeGreaterThan(1_334 + limits.coordinationBackoffMsMax / 2 - 2);
});

test("a server that greets and then drops is not dialled again and again at once", () => {
  const scene = new SessionScene({ servers: 1, timeoutMs: 4_000, operationMs: 10_000 });
  const waits: number[] = [];
  for (let round = 0; round < 4; round++) {
    scene.connect();
    scene.do({ type: "closed", reason: "dropped" });
    waits.push(nextDeadlineMs(scene.state) - scene.nowMs);
    scene.nowMs = nextDeadlineMs(scene.state);
  }
  expect(waits).toEqual([50, 100, 200, 400]);
});

test("an expired session is told first, fails what waits, and a new one is asked for", () => {
  const scene = new SessionScene().connect();
  scene.submitWatch("data", "/a", 1);
  scene.hear(reply(1, 5n, 0, dataRecord));
  scene.do({ type: "closed", reason: "gone" });
  const waiting = scene.submit();
  scene.pass(10).do({ type: "opened" });
  scene.take();
  scene.hear(greeting(0n, 0));
  const effects = scene.take();
  expect(typesOf(effects)).toEqual(["hang-up", "session", "fail", "notify"]);
  expect(effects[1]).toEqual({ type: "session", change: { type: "expired" } });
  expect(failures(effects)).toEqual([[waiting, "session-expired", "not-done"]]);
  expect(effects[3]).toEqual({ type: "notify", watches: [1], event: { type: "lost", path: "/a" } });
  scene.pass(10).do({ type: "opened" }).hear(greeting(8n, 4_000));
  expect(scene.changes()).toEqual(["connected"]);
  expect([scene.state.identity?.id, scene.state.lastZxid]).toEqual([8n, 0n]);
});

test("a session that the servers keep longer than they must is connected again, under the same id", () => {
  const scene = new SessionScene().connect();
  scene.pass(4_100);
  expect(scene.changes()).toEqual(["suspended", "presumed-lost"]);
  scene.connect();
  expect([scene.state.presumedLost, scene.state.identity?.id]).toEqual([false, 7n]);
});

test("a session that every server turns away, long after its end, is given up", () => {
  const scene = new SessionScene().connect();
  scene.do({ type: "closed", reason: "gone" });
  let greetings = 0;
  for (let ms = 0; ms < 60_000 && scene.state.identity !== undefined; ms += 5) {
    scene.pass(5);
    if (scene.state.link.at !== "connecting") continue;
    scene.do({ type: "opened" }).do({ type: "closed", reason: "behind this session" });
    greetings++;
  }
  expect(scene.changes()).toContain("expired");
  expect(greetings).toBeGreaterThanOrEqual(9);
  expect(scene.nowMs).toBeGreaterThanOrEqual(1_000 + 40_000);
});

test("what was sent when the connection is lost has an unknown outcome, what was not sent waits", () => {
  const scene = new SessionScene().connect();
  const sent = scene.submit();
  scene.do({ type: "closed", reason: "gone" });
  const waiting = scene.submit();
  expect(failures(scene.take())).toEqual([[sent, "connection-lost", "unknown"]]);
  scene.pass(10).do({ type: "opened" }).hear(greeting(7n, 4_000));
  scene.hear(reply(1, 1n, 0, statRecord));
  expect(scene.take().some((effect) => effect.type === "succeed" && effect.operation === waiting)).toBe(true);
});

test("an operation that no server takes fails in time, and names what was wrong", () => {
  const scene = new SessionScene();
  const waiting = scene.submit();
  scene.do({ type: "tick" }).do({ type: "closed", reason: "connection refused" });
  scene.pass(9_999);
  expect(failures(scene.take())).toEqual([]);
  scene.pass(1);
  const effects = scene.take();
  expect(failures(effects)).toEqual([[waiting, "not-sent", "not-done"]]);
});

test("an operation that is never answered ends the connection, while pings are answered", () => {
  const scene = new SessionScene().connect();
  const stuck = scene.submit();
  for (let ms = 0; ms < 10_000; ms += 100) {
    scene.pass(100);
    if (scene.state.link.at === "running" && scene.state.link.pingSentAtMs !== undefined) scene.hear(pong());
  }
  expect(failures(scene.take())).toEqual([[stuck, "connection-lost", "unknown"]]);
});

test("answers out of order, unknown answers and broken records drop the connection", () => {
  const broken = [
    reply(2, 1n, 0, statRecord),
    reply(1, 1n, 0, statRecord.subarray(1)),
    Uint8Array.of(0),
    reply(-8, 1n),
    new Uint8Array(0),
  ];
  for (const frame of broken) {
    const scene = new SessionScene().connect();
    scene.submit();
    scene.submit();
    scene.take();
    scene.hear(frame);
    expect(failures(scene.take())).toEqual([
      [1, "connection-lost", "unknown"],
      [2, "connection-lost", "unknown"],
    ]);
    expect(scene.state.link.at).toBe("waiting");
  }
  const idle = new SessionScene().connect();
  idle.hear(reply(1, 1n));
  expect(idle.state.link.at).toBe("waiting");
});

test("a refusal fails its operation alone, with the server's reason", () => {
  const scene = new SessionScene().connect();
  const ids = [scene.submit(), scene.submit(), scene.submit()];
  scene.take();
  scene.hear(reply(1, 1n, -103), reply(2, 1n, -112), reply(3, 2n, -999));
  expect(failures(scene.take())).toEqual([
    [ids[0], "bad-version", "not-done"],
    [ids[1], "session-expired", "not-done"],
    [ids[2], "other", "not-done"],
  ]);
  expect([scene.state.link.at, scene.state.lastZxid]).toEqual(["running", 2n]);
});

test("a watch is set when its answer has come, not before and not with a refusal", () => {
  const scene = new SessionScene().connect();
  scene.submitWatch("data", "/a", 1);
  scene.submitWatch("data", "/b", 2);
  scene.submitWatch("exist", "/c", 3);
  scene.submitWatch("exist", "/d", 4);
  expect(scene.state.watches.count).toBe(0);
  scene.hear(reply(1, 1n, 0, dataRecord), reply(2, 1n, -101), reply(3, 1n, -101), reply(4, 1n, 0, statRecord));
  expect([...scene.state.watches.entries.keys()]).toEqual(["data:/a", "exist:/c", "data:/d"]);
  scene.take();
  scene.hear(notification(3, "/a"), notification(3, "/a"), notification(1, "/c"));
  expect(scene.take()).toEqual([
    { type: "notify", watches: [1], event: { type: "data", path: "/a" } },
    { type: "notify", watches: [3], event: { type: "created", path: "/c" } },
  ]);
});

test("after a reconnect credentials are shown and watches named again, in this order, and lasting ones told to read once they stand", () => {
  const scene = new SessionScene().connect();
  scene.submitWatch("data", "/a", 1);
  scene.submitWatch("recursive", "/r", 2);
  scene.hear(reply(1, 1n, 0, dataRecord), reply(2, 9n, 0, dataRecord));
  scene.do({ type: "authenticate", credentials: { scheme: "digest", secret: Uint8Array.of(1) } });
  scene.do({ type: "closed", reason: "gone" }).pass(10).do({ type: "opened" });
  scene.take();
  scene.hear(greeting(7n, 4_000));
  const effects = scene.take();
  expect(requestsOf(effects)).toEqual([
    { xid: -4, opcode: 100 },
    { xid: -8, opcode: 105 },
  ]);
  const sent = effects[1];
  const reader = new JuteReader(sent?.type === "send" ? sent.bytes.subarray(12) : new Uint8Array(0));
  const named = [reader.long(), ...Array.from({ length: 5 }, () => reader.vector((from) => from.string()))];
  expect(named).toEqual([9n, ["/a"], [], [], [], ["/r"]]);
  expect(typesOf(effects)).not.toContain("notify");
  scene.hear(reply(-8, 9n));
  expect(scene.take()).toEqual([{ type: "notify", watches: [2], event: { type: "resync", path: "/r" } }]);
});

test("many watches are named in several requests, each within its bound", () => {
  const scene = new SessionScene().connect();
  const count = 3_000;
  for (let number = 1; number <= count; number++) {
    scene.submitWatch("data", `/${String(number).padStart(100, "x")}`, number);
    scene.hear(reply(scene.nextXid(), 1n, 0, dataRecord));
  }
  scene.do({ type: "closed", reason: "gone" }).pass(10).do({ type: "opened" });
  scene.take();
  scene.hear(greeting(7n, 4_000));
  const sizes = scene.take().flatMap((effect) => (effect.type === "send" ? [effect.bytes.length] : []));
  expect(sizes.length).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.coordinationWatchBytes);
});

test("two kinds of watches on one path are refused, where a server would drop one in silence", () => {
  const scene = new SessionScene().connect();
  scene.submitWatch("persistent", "/a", 1);
  scene.hear(reply(1, 1n, 0, dataRecord));
  scene.take();
  const mixed = [scene.submitWatch("data", "/a", 2), scene.submitWatch("recursive", "/a", 3)];
  expect(failures(scene.take())).toEqual(mixed.map((id) => [id, "invalid", "not-done"]));
  scene.submitWatch("persistent", "/a", 4);
  scene.submitWatch("data", "/a/b", 5);
  expect(failures(scene.take())).toEqual([]);
});

test("a request is too large by itself, at the byte that servers refuse", () => {
  const scene = new SessionScene().connect();
  const empty = setDataRequest("/v", new Uint8Array(0), 0).record.length + 8;
  const fits = setDataRequest("/v", new Uint8Array(limits.coordinationRequestBytes - empty), 0);
  const over = setDataRequest("/v", new Uint8Array(limits.coordinationRequestBytes - empty + 1), 0);
  scene.submit(fits);
  const refused = scene.submit(over);
  expect(failures(scene.take())).toEqual([[refused, "invalid", "not-done"]]);
  expect(scene.state.link.at).toBe("running");
});

test("more operations than may wait are refused at once", () => {
  const scene = new SessionScene();
  for (let count = 0; count < limits.coordinationOperations; count++) scene.submit();
  expect(failures(scene.take())).toEqual([]);
  const refused = scene.submit();
  expect(failures(scene.take())).toEqual([[refused, "busy", "not-done"]]);
});

test("refused credentials end the session for good", () => {
  const scene = new SessionScene().connect();
  scene.do({ type: "authenticate", credentials: { scheme: "nonsense", secret: new Uint8Array(0) } });
  const sent = scene.submit();
  scene.take();
  scene.hear(reply(-4, 0n, -115));
  const effects = scene.take();
  expect(effects[1]).toEqual({ type: "session", change: { type: "ended", reason: "auth-failed" } });
  expect(failures(effects)).toEqual([[sent, "auth-failed", "unknown"]]);
  const late = scene.submit();
  expect(failures(scene.take())).toEqual([[late, "auth-failed", "not-done"]]);
  expect(nextDeadlineMs(scene.state)).toBe(Number.POSITIVE_INFINITY);
});

test("closing waits for what was sent, takes nothing new, and ends with the server's answer", () => {
  const scene = new SessionScene().connect();
  const sent = scene.submit();
  scene.take();
  scene.do({ type: "close" }).do({ type: "close" });
  expect(requestsOf(scene.take())).toEqual([{ xid: 2, opcode: -11 }]);
  const late = scene.submit();
  expect(failures(scene.take())).toEqual([[late, "closed", "not-done"]]);
  scene.hear(reply(1, 1n, 0, statRecord), reply(2, 2n));
  const effects = scene.take();
  expect(effects.some((effect) => effect.type === "succeed" && effect.operation === sent)).toBe(true);
  expect(effects.at(-1)).toEqual({ type: "session", change: { type: "ended", reason: "closed" } });
});

test("closing ends soon when no server answers, has gone, or was never reached", () => {
  const silent = new SessionScene().connect();
  silent.do({ type: "close" }).pass(limits.coordinationCloseMs);
  const gone = new SessionScene().connect();
  gone.do({ type: "close" }).do({ type: "closed", reason: "gone" });
  const never = new SessionScene();
  const waiting = never.submit();
  never.do({ type: "close" });
  const dialling = new SessionScene().do({ type: "tick" }).do({ type: "close" });
  for (const scene of [silent, gone, never, dialling]) {
    expect(scene.state.link).toEqual({ at: "ended", reason: "closed" });
    const effects = scene.take();
    expect(effects.filter(({ type }) => type === "session").length).toBeGreaterThan(0);
    if (scene === never) expect(failures(effects)).toEqual([[waiting, "closed", "not-done"]]);
  }
});
