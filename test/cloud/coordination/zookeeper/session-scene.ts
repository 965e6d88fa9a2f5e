// A session machine under a hand-moved clock, and a server that says what a test wants it to say.
import { expect } from "vitest";
import { JuteReader, JuteWriter } from "#cloud/coordination/zookeeper/jute.ts";
import { existsRequest, getDataRequest, setDataRequest, type Request } from "#cloud/coordination/zookeeper/requests.ts";
import {
  freshSession,
  nextDeadlineMs,
  type Operation,
  type SessionChange,
  type SessionEffect,
  type SessionEvent,
  type SessionSettings,
  type SessionState,
} from "#cloud/coordination/zookeeper/session-state.ts";
import { stepSession } from "#cloud/coordination/zookeeper/session.ts";
import type { WatchKind } from "#cloud/coordination/zookeeper/watch-table.ts";

export const sceneSettings: SessionSettings = { servers: 3, timeoutMs: 4_000, operationMs: 10_000 };

export interface SaidRequest {
  readonly xid: number;
  readonly opcode: number;
}

export class SessionScene {
  state: SessionState;
  nowMs = 1_000;
  jitter = 0;
  /** Since the last `take`. */
  #effects: SessionEffect[] = [];
  #lastOperation = 0;

  constructor(settings: SessionSettings = sceneSettings) {
    this.state = freshSession(settings);
  }

  do(event: SessionEvent): this {
    const [state, effects] = stepSession(this.state, event, this.nowMs, this.jitter);
    this.state = state;
    this.#effects.push(...effects);
    return this;
  }

  /** All effects since the last time. */
  take(): readonly SessionEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  changes(): readonly SessionChange["type"][] {
    return this.take().flatMap((effect) => (effect.type === "session" ? [effect.change.type] : []));
  }

  /** Lets time pass, with a tick at each deadline. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    for (let next = nextDeadlineMs(this.state); next <= endMs; next = nextDeadlineMs(this.state)) {
      this.nowMs = Math.max(this.nowMs, next);
      this.do({ type: "tick" });
      expect(nextDeadlineMs(this.state)).toBeGreaterThan(this.nowMs);
    }
    this.nowMs = endMs;
    return this;
  }

  /** Dials and is greeted; what that leads to is thrown away. */
  connect(id = 7n, timeoutMs = 4_000): this {
    this.do({ type: "tick" }).do({ type: "opened" }).hear(greeting(id, timeoutMs));
    expect(this.state.link.at).toBe("running");
    this.take();
    return this;
  }

  hear(...frames: readonly Uint8Array[]): this {
    return this.do({ type: "frames", frames });
  }

  /** Answers its number. */
  submit(request: Request<unknown> = setDataRequest("/v", Uint8Array.of(1), 0), watch?: Operation["watch"]): number {
    const id = ++this.#lastOperation;
    const attempt = { operation: "test", path: "/v" };
    this.do({ type: "submit", operation: { id, attempt, request, ...(watch && { watch }) } });
    return id;
  }

  submitWatch(kind: WatchKind, path: string, watch: number): number {
    const request = kind === "exist" ? existsRequest(path, true) : getDataRequest(path, true);
    return this.submit(request, { id: watch, kind, path });
  }

  /** The number by which the server knows the operation that it has to answer next. */
  nextXid(): number {
    const { link } = this.state;
    return link.at === "running" ? (link.sent.front?.value.xid ?? 0) : 0;
  }
}

/** What has been sent, without greetings. */
export function requestsOf(effects: readonly SessionEffect[]): readonly SaidRequest[] {
  return effects.flatMap((effect) => {
    if (effect.type !== "send") return [];
    const reader = new JuteReader(effect.bytes);
    reader.int();
    return [{ xid: reader.int(), opcode: reader.int() }];
  });
}

export function greeting(id: bigint, timeoutMs: number): Uint8Array {
  return new JuteWriter().int(0).int(timeoutMs).long(id).buffer(new Uint8Array(16).fill(9)).bool(false).finish();
}

export function reply(xid: number, zxid: bigint, error = 0, record: Uint8Array = new Uint8Array(0)): Uint8Array {
  return new JuteWriter().int(xid).long(zxid).int(error).raw(record).finish();
}

export const pong = (zxid = 0n): Uint8Array => reply(-2, zxid);

/** 1 created, 2 deleted, 3 data, 4 children. */
export function notification(type: number, path: string): Uint8Array {
  return reply(-1, -1n, 0, new JuteWriter().int(type).int(3).string(path).finish());
}

export const statRecord: Uint8Array = new Uint8Array(68);
export const dataRecord: Uint8Array = new JuteWriter().buffer(Uint8Array.of(1)).raw(statRecord).finish();
