// The session machine under scripts of events that nobody wrote: whatever servers and callers do, it keeps its promises.
import fc from "fast-check";
import { expect, test } from "vitest";
import { getDataRequest, setDataRequest } from "#cloud/coordination/zookeeper/requests.ts";
import { isOneShot } from "#cloud/coordination/zookeeper/watch-table.ts";
import { nextDeadlineMs, validUntilMs, type SessionChange } from "#cloud/coordination/zookeeper/session-state.ts";
import { dataRecord, greeting, notification, pong, reply, sceneSettings, SessionScene } from "./session-scene.ts";

type Move =
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "stand-still"; readonly ms: number }
  | {
      readonly type: "opened" | "closed" | "submit" | "watch" | "unwatch" | "close" | "pong" | "answer" | "watches-set";
    }
  | { readonly type: "greeting"; readonly id: bigint; readonly timeoutMs: number }
  | { readonly type: "refuse"; readonly error: number }
  | { readonly type: "notify"; readonly event: number }
  | { readonly type: "garbage"; readonly bytes: Uint8Array };

const often = (type: "opened" | "closed" | "submit" | "watch" | "pong" | "answer" | "watches-set", weight: number) => ({
  weight,
  arbitrary: fc.constant({ type }),
});
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("stand-still" as const), ms: fc.nat({ max: 9_000 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("greeting" as const),
      id: fc.constantFrom(7n, 8n),
      timeoutMs: fc.constantFrom(4_000, 4_000, 4_000, 1_000, 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("refuse" as const), error: fc.constantFrom(-101, -112, -4) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("notify" as const), event: fc.integer({ min: -1, max: 5 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("garbage" as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ type: "unwatch" as const }, { type: "close" as const }) },
  often("opened", 6),
  often("closed", 2),
  often("submit", 5),
  often("watch", 2),
  often("pong", 4),
  often("answer", 6),
  often("watches-set", 2),
);

/** What may follow on what, as users of a session rely on it. */
const followers: Readonly<Record<string, readonly SessionChange["type"][]>> = {
  start: ["connected", "ended"],
  connected: ["suspended", "presumed-lost", "ended"],
  suspended: ["connected", "presumed-lost", "expired", "ended"],
  "presumed-lost": ["connected", "suspended", "expired", "ended"],
  expired: ["connected", "ended"],
  ended: [],
};

/** Plays moves, and looks at every step. */
class Watcher {
  readonly scene = new SessionScene();
  /** How often each operation was settled. */
  readonly settled = new Map<number, number>();
  #last = "start";
  #isPresumedLost = false;
  #hasSocket = false;
  #isOpen = false;
  #watches = 0;
  #steppedAtMs = 0;

  play(moves: readonly Move[]): void {
    for (const one of moves) {
      const before = this.scene.state;
      const kept = JSON.stringify(before, plain);
      this.#move(one);
      if (one.type !== "stand-still") this.#steppedAtMs = this.scene.nowMs;
      expect(JSON.stringify(before, plain), "the state that a step starts from stays as it was").toBe(kept);
      this.#look();
    }
  }

  #move(one: Move): void {
    const { scene } = this;
    switch (one.type) {
      case "pass":
        // Deadline by deadline, each step looked at.
        for (let leftMs = one.ms; leftMs > 0;) {
          const stepMs = Math.min(leftMs, Math.max(1, nextDeadlineMs(scene.state) - scene.nowMs));
          scene.pass(stepMs);
          this.#look();
          leftMs -= stepMs;
        }
        return;
      case "stand-still":
        scene.nowMs += one.ms;
        return; // no step: the next event is the first to see it
      case "opened":
        if (!this.#hasSocket) return;
        this.#isOpen = true;
        scene.do({ type: "opened" });
        return;
      case "closed":
        if (!this.#hasSocket) return;
        this.#hasSocket = false;
        scene.do({ type: "closed", reason: "test" });
        return;
      case "submit":
        this.settled.set(scene.submit(setDataRequest("/v", Uint8Array.of(1), 0)), 0);
        return;
      case "watch": {
        const kind = (["data", "child", "persistent"] as const)[this.#watches % 3] ?? "data";
        const watch = { id: ++this.#watches, kind, path: isOneShot(kind) ? "/v" : "/w" };
        this.settled.set(scene.submit(getDataRequest("/v", true), watch), 0);
        return;
      }
      case "unwatch":
        scene.do({ type: "unwatch", watch: this.#watches });
        return;
      case "close":
        scene.do({ type: "close" });
        return;
      default:
        if (this.#isOpen) scene.hear(frameOf(one, scene));
    }
  }

  /** What each step promises. */
  #look(): void {
    const { scene } = this;
    for (const effect of scene.take()) {
      switch (effect.type) {
        case "dial":
          expect(this.#hasSocket, "a socket is given up before another one is dialled").toBe(false);
          this.#hasSocket = true;
          this.#isOpen = false;
          break;
        case "hang-up":
          this.#hasSocket = false;
          this.#isOpen = false;
          break;
        case "send":
          expect(this.#isOpen, "nothing is sent but on an open socket").toBe(true);
          break;
        case "succeed":
          expect(this.#isPresumedLost, "nothing succeeds in a session that is presumed lost").toBe(false);
          this.settled.set(effect.operation, (this.settled.get(effect.operation) ?? 0) + 1);
          break;
        case "fail":
          this.settled.set(effect.operation, (this.settled.get(effect.operation) ?? 0) + 1);
          break;
        case "notify":
          expect(effect.watches.length).toBeGreaterThan(0);
          break;
        case "session":
          expect(followers[this.#last], `after ${this.#last}`).toContain(effect.change.type);
          this.#last = effect.change.type;
          if (effect.change.type !== "suspended") this.#isPresumedLost = effect.change.type === "presumed-lost";
          break;
      }
    }
    expect([...this.settled.values()].filter((times) => times > 1)).toEqual([]);
    // Between two steps time may have come that only the next one sees.
    const { state } = scene;
    if (state.link.at === "running" && scene.nowMs === this.#steppedAtMs)
      expect(scene.nowMs).toBeLessThanOrEqual(validUntilMs(state) ?? 0);
  }

  /** Whatever was asked for, without another word from a server. */
  everythingSettles(): void {
    this.scene.pass(3 * sceneSettings.operationMs);
    this.#look();
    expect([...this.settled].filter(([, times]) => times !== 1)).toEqual([]);
  }
}

function frameOf(one: Move, scene: SessionScene): Uint8Array {
  switch (one.type) {
    case "greeting":
      return greeting(one.id, one.timeoutMs);
    case "refuse":
      return reply(scene.nextXid(), 3n, one.error);
    case "notify":
      return notification(one.event, "/v");
    case "garbage":
      return one.bytes;
    case "answer":
      return reply(scene.nextXid(), 3n, 0, dataRecord);
    case "watches-set":
      return reply(-8, 3n);
    default:
      return pong(3n);
  }
}

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Map) return [...(value as ReadonlyMap<unknown, unknown>)];
  return value;
}

test("whatever happens: each operation is settled once, nothing is sent without a socket, and the end is told before it is used", () => {
  let settled = 0;
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80, size: "max" }), (moves) => {
      const watcher = new Watcher();
      watcher.play(moves);
      watcher.everythingSettles();
      settled += watcher.settled.size;
    }),
    { numRuns: 600 },
  );
  expect(settled).toBeGreaterThan(1_000);
});

test("a session that is served is never left, however operations and pings mix", () => {
  const step = fc.record({ ms: fc.nat({ max: 1_200 }), operations: fc.nat({ max: 4 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const scene = new SessionScene().connect();
      for (const { ms, operations } of steps) {
        for (let count = 0; count < operations; count++) scene.submit(getDataRequest("/v", false));
        scene.pass(ms);
        while (scene.nextXid() !== 0) scene.hear(reply(scene.nextXid(), 1n, 0, dataRecord));
        if (scene.state.link.at === "running" && scene.state.link.pingSentAtMs !== undefined) scene.hear(pong());
      }
      expect(scene.changes()).toEqual([]);
    }),
  );
});
