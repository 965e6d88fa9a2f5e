// Thousands of children of one parent that comes back: their real uplink machines, the parent's real connect gate and admission of
// hellos, and a model of what a greeting costs. Everything in virtual time.
import { ConnectGate } from "#agent/broker/connect-gate.ts";
import { parseNodeName } from "#shared/ids.ts";
import { HelloAdmission } from "#shared/link/admission.ts";
import type { Refusal, Welcome } from "#shared/link/hello.ts";
import { initialUplink, stepUplink, type UplinkEvent, type UplinkState } from "#shared/link/uplink-machine.ts";
import { limits } from "#shared/limits.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { EventQueue } from "./event-queue.ts";

export interface ReturnSetting {
  readonly children: number;
  /** Greetings that the parent can do in a second. */
  readonly greetingsPerSecond: number;
  /** Without: every hello is taken at once, and waits at the parent. */
  readonly hasAdmission: boolean;
  /** Connections that the parent's broker takes. */
  readonly connectionsMax: number;
}

const tickMs = 200;
const sweepMs = 100;
const latencyMs = 20;
const parentName = parseNodeName("fog-1");

/** One child: its machine, and the connections that it has. */
class Child {
  readonly name: string;
  state: UplinkState = initialUplink(0);
  /** Raised with every attempt: what belongs to an older one finds out. */
  attempt = 0;
  hasBulk = false;
  refusals = 0;
  /** When it was welcomed last. */
  backAtMs: number | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

interface Connection {
  readonly child: Child;
  readonly attempt: number;
}

export class ReturningChildren {
  readonly queue = new EventQueue();
  readonly children: readonly Child[];
  /** Greetings that were done, by second. */
  readonly greetedBySecond = new Map<number, number>();
  /** Greetings of children that had given up by then. */
  wasted = 0;
  readonly #setting: ReturnSetting;
  readonly #random: Seeded;
  #parent: Parent | undefined;

  constructor(setting: ReturnSetting, random: Seeded) {
    this.#setting = setting;
    this.#random = random;
    this.children = Array.from({ length: setting.children }, (_, index) => new Child(`device-${index}`));
    for (const child of this.children) this.queue.in(random.between(0, tickMs - 1), () => this.#tick(child));
    this.#sweep();
  }

  /** The parent starts, with nobody connected and nothing remembered. */
  startParent(): void {
    this.#parent = new Parent(this.queue.nowMs);
  }

  /** It dies: every connection breaks. */
  stopParent(): void {
    this.#parent = undefined;
    for (const child of this.children)
      this.queue.in(latencyMs, () => this.#event(child, { type: "closed", reason: "reset" }));
  }

  get backCount(): number {
    return this.children.filter(({ state }) => state.at === "running").length;
  }

  #tick(child: Child): void {
    this.#event(child, { type: "tick" });
    this.queue.in(this.#ticksUntilNext(child.state) * tickMs, () => this.#tick(child));
  }

  /** Ticks at which nothing would happen are left out. */
  #ticksUntilNext(state: UplinkState): number {
    // Heartbeats are not what this is about: a running child is woken by the end of its connection.
    if (state.at === "running") return 60;
    return state.at === "down" ? Math.max(1, Math.ceil((state.retryAtMs - this.queue.nowMs) / tickMs)) : 1;
  }

  #event(child: Child, event: UplinkEvent): void {
    const { nowMs } = this.queue;
    if (child.state.at === "running" && event.type === "tick") return;
    const [state, effects] = stepUplink(child.state, event, nowMs, this.#random.unit());
    child.state = state;
    for (const { type } of effects) {
      if (type === "dial") this.#dial(child);
      else if (type === "close") this.#close(child);
      else if (type === "hello") this.#hello({ child, attempt: child.attempt });
      else if (type === "open-lane") this.#openBulk({ child, attempt: child.attempt });
    }
  }

  #dial(child: Child): void {
    const connection = { child, attempt: ++child.attempt };
    this.queue.in(latencyMs, () =>
      this.#enter(connection, child.name, (isAdmitted) => {
        this.#tell(connection, isAdmitted ? { type: "opened" } : { type: "closed", reason: "the parent is busy" });
      }),
    );
  }

  #openBulk(connection: Connection, waitMs = 1_000): void {
    this.queue.in(latencyMs, () => {
      if (!this.#isCurrent(connection)) return;
      this.#enter(connection, `${connection.child.name}!b`, (isAdmitted) => {
        connection.child.hasBulk = isAdmitted;
        if (isAdmitted) return;
        const jitter = 0.5 + this.#random.unit();
        this.queue.in(waitMs * jitter, () => this.#openBulk(connection, Math.min(30_000, 2 * waitMs)));
      });
    });
  }

  /** The broker's part: a turn at the gate, then a limit of connections. Nobody there: refused at once. */
  #enter(connection: Connection, clientId: string, done: (isAdmitted: boolean) => void): void {
    const parent = this.#parent;
    if (parent === undefined) {
      done(false);
      return;
    }
    parent.connections.set(clientId, connection);
    parent.gate.enter(this.queue.nowMs, clientId, () => {
      if (parent !== this.#parent || !this.#isCurrent(connection)) return;
      const isFull = parent.connections.size - parent.gate.waiting > this.#setting.connectionsMax;
      if (isFull) parent.connections.delete(clientId);
      done(!isFull);
    });
  }

  #close(child: Child): void {
    child.attempt++;
    child.hasBulk = false;
    for (const clientId of [child.name, `${child.name}!b`]) {
      this.#parent?.gate.leave(clientId);
      this.#parent?.connections.delete(clientId);
    }
  }

  #hello(connection: Connection): void {
    this.queue.in(latencyMs, () => {
      const parent = this.#parent;
      if (parent === undefined || !this.#isCurrent(connection)) return;
      const { nowMs } = this.queue;
      const answer = this.#setting.hasAdmission
        ? parent.admission.ask(connection.child.name, nowMs)
        : ({ type: "admitted" } as const);
      if (answer.type === "busy") {
        connection.child.refusals++;
        const refusal: Refusal = { code: "busy", retryAfterMs: answer.retryAfterMs, text: "later" };
        this.queue.in(latencyMs, () => this.#tell(connection, { type: "refused", refusal }));
      } else this.#greet(parent, connection);
    });
  }

  /** One after the other, at the parent's speed. */
  #greet(parent: Parent, connection: Connection): void {
    const { nowMs } = this.queue;
    parent.freeAtMs = Math.max(parent.freeAtMs, nowMs) + 1_000 / this.#setting.greetingsPerSecond;
    this.queue.in(parent.freeAtMs - nowMs, () => {
      if (parent !== this.#parent) return;
      if (this.#setting.hasAdmission) parent.admission.done(this.queue.nowMs);
      const second = Math.floor(this.queue.nowMs / 1_000);
      this.greetedBySecond.set(second, (this.greetedBySecond.get(second) ?? 0) + 1);
      if (!this.#isCurrent(connection)) this.wasted++;
      this.queue.in(latencyMs, () => {
        if (!this.#isCurrent(connection) || connection.child.state.at !== "greeting") return;
        connection.child.backAtMs = this.queue.nowMs;
        this.#tell(connection, { type: "welcome", welcome });
      });
    });
  }

  #tell(connection: Connection, event: UplinkEvent): void {
    if (this.#isCurrent(connection)) this.#event(connection.child, event);
  }

  #isCurrent({ child, attempt }: Connection): boolean {
    return child.attempt === attempt;
  }

  #sweep(): void {
    this.#parent?.gate.release(this.queue.nowMs);
    this.queue.in(sweepMs, () => this.#sweep());
  }
}

/** The parent from a start to its death. */
class Parent {
  readonly gate: ConnectGate<string>;
  readonly admission: HelloAdmission;
  readonly connections = new Map<string, Connection>();
  /** When it has greeted everybody who was let in. */
  freeAtMs: number;

  constructor(nowMs: number) {
    this.gate = new ConnectGate(nowMs);
    this.admission = new HelloAdmission(nowMs);
    this.freeAtMs = nowMs;
  }
}

const welcome: Welcome = {
  version: 1,
  parent: parentName,
  parentInstance: 1,
  session: 1,
  holds: [],
  creditBytes: limits.creditBytesMin,
  nowMs: 0,
  path: [],
};
