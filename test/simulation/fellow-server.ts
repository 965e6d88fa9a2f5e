// One server of a simulated cluster: drives the machines of shared/fellows as a real one would, with a store that outlives its process.
import { formatFellow, parseFellow, type Fellow } from "#shared/fellows/fellow.ts";
import { hostnameTopic, uuidTopic } from "#shared/fellows/cluster-topics.ts";
import {
  decodeFellowFrame,
  encodeFellowAck,
  encodeFellowMessage,
  type FellowMessage,
} from "#shared/fellows/fellow-frames.ts";
import type { FellowId } from "#shared/fellows/fellow-names.ts";
import { newInbox, stepInbox, type InboxEvent, type SenderRecord } from "#shared/fellows/inbox.ts";
import { newMembership, stepMembership, topicOf, type MembershipEvent } from "#shared/fellows/membership.ts";
import { newOutbox, stepOutbox, type OutboxEvent } from "#shared/fellows/outbox.ts";
import { stepResponses, type Asker, type ResponseEvent, type ResponseRoutes } from "#shared/fellows/response-routes.ts";
import { newStartGate, stepStartGate, type StartEffect, type StartEvent } from "#shared/fellows/start-gate.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { cluster } from "../fakes/made-fellows.ts";
import type { EventQueue } from "./event-queue.ts";
import type { FellowCoordinator } from "./fellow-coordinator.ts";
import { FellowElections, type ElectionLog } from "./fellow-elections.ts";
import type { FellowNetwork, Station } from "./fellow-network.ts";

export interface ServerDeps {
  readonly queue: EventQueue;
  readonly random: Seeded;
  readonly coordinator: FellowCoordinator;
  readonly network: FellowNetwork;
  readonly log: ServerLog;
}

export interface ServerLog extends ElectionLog {
  violate(what: string): void;
  outcome(key: string, outcome: string): void;
  handled(key: string): void;
  responded(key: string): void;
}

const sessionMs = 3_000;
const text = new TextDecoder();
const bytesOf = (key: string): Uint8Array => new TextEncoder().encode(key);

/** What is in memory, for one life of the process. */
function newProcess(fellow: Fellow, life: number, records: ReadonlyMap<FellowId, SenderRecord>, nowMs: number) {
  const [gate, begun] = newStartGate(nowMs);
  return {
    life,
    gate,
    begun,
    membership: newMembership(fellow, cluster),
    outbox: newOutbox(fellow.uuid, life),
    inbox: newInbox(fellow.uuid, records),
    responses: new Map() as ResponseRoutes<Asker>,
  };
}

export class FellowServer implements Station {
  readonly fellow: Fellow;
  readonly #deps: ServerDeps;
  #process: ReturnType<typeof newProcess> | undefined;
  #elections: FellowElections;
  #life = 0;
  session: "up" | "cut" | "lost" = "up";
  #sessions = 0;
  /** Its application hears nothing on the path of its hostname. */
  isDeaf = false;
  /** On disk. */
  readonly #records = new Map<FellowId, SenderRecord>();

  constructor(fellow: Fellow, deps: ServerDeps) {
    this.fellow = fellow;
    this.#deps = deps;
    this.#elections = this.#newElections();
    deps.network.add(this);
    deps.coordinator.watch(() => this.#look());
  }

  get isAlive(): boolean {
    return this.#process !== undefined;
  }

  get elections(): FellowElections {
    return this.#elections;
  }

  /** Messages that wait, and numbers that are remembered. */
  get size(): { readonly open: number; readonly remembered: number } {
    const lines = [...(this.#process?.outbox.lines.values() ?? [])];
    const senders = [...(this.#process?.inbox.senders.values() ?? [])];
    return {
      open: lines.reduce((sum, { open }) => sum + open.size, 0),
      remembered: senders.reduce((sum, { taken }) => sum + taken.size, 0),
    };
  }

  start(): void {
    if (this.isAlive) return;
    const process = newProcess(this.fellow, ++this.#life, this.#records, this.#deps.queue.nowMs);
    this.#process = process;
    this.#elections = this.#newElections();
    this.#enter();
    this.#begin(process.begun);
    this.#tick(process.life);
  }

  kill(): void {
    this.#elections.abandon();
    this.#process = undefined;
    this.#deps.network.drop(this.fellow.uuid);
    const session = this.#sessions;
    this.#deps.queue.in(sessionMs, () => this.#deps.coordinator.expire(this.fellow.uuid, session));
  }

  /** The server gives its session up before the coordinator does. */
  cutFromCoordinator(ms: number): void {
    const life = this.#process?.life;
    if (life === undefined || this.session !== "up") return;
    const inLife = (act: () => void) => () => {
      if (this.#process?.life === life) act();
    };
    this.session = "cut";
    if (ms >= sessionMs) {
      this.#deps.queue.in(
        (sessionMs * 2) / 3,
        inLife(() => {
          this.session = "lost";
          this.#elections.loseSession();
        }),
      );
      const session = this.#sessions;
      this.#deps.queue.in(sessionMs, () => this.#deps.coordinator.expire(this.fellow.uuid, session));
    }
    this.#deps.queue.in(
      ms + 1,
      inLife(() => {
        const wasLost = this.session === "lost";
        this.session = "up";
        if (wasLost) {
          this.#enter();
          this.#elections.regainSession();
        }
        this.#look();
      }),
    );
  }

  isListening(): boolean {
    return this.#process?.gate.begun.has("mqtt") === true;
  }

  /** A client of this server asks `to` something. */
  ask(key: string, to: FellowId, ttlMs?: number): void {
    if (this.#process === undefined) return;
    this.#respond({ type: "asked", key, origin: { adapter: "mqtt", connection: "client" } });
    const life = ttlMs === undefined ? {} : { ttlMs };
    this.#post({ type: "send", key, to, subject: "ask", body: bytesOf(key), ...life });
  }

  receive(peer: FellowId, topic: string, bytes: Uint8Array): void {
    const { hostname, uuid } = this.fellow;
    const path = topic === uuidTopic(cluster, uuid) ? "uuid" : "hostname";
    if (path === "hostname" && topic !== hostnameTopic(cluster, hostname)) this.#deps.log.violate(`heard ${topic}`);
    if (path === "hostname" && this.isDeaf) return;
    const decoded = decodeFellowFrame(bytes);
    if ("malformed" in decoded) return this.#deps.log.violate(decoded.malformed);
    const { frame } = decoded;
    if (frame.type === "ack") this.#post({ type: "acknowledged", peer, ack: frame.ack });
    else this.#hear({ type: "arrived", peer, path, message: frame.message });
  }

  /** With a new session. */
  #enter(): void {
    this.session = "up";
    this.#deps.coordinator.enter(this.fellow.uuid, ++this.#sessions, formatFellow(this.fellow));
  }

  #newElections(): FellowElections {
    return new FellowElections(this.fellow, {
      ...this.#deps,
      session: () => this.session,
      number: () => this.#sessions,
      electors: () => (this.#process?.membership.fellows.length ?? 0) + 1,
    });
  }

  #tick(life: number): void {
    if (this.#process?.life !== life) return;
    this.#pass({ type: "tick" });
    this.#post({ type: "tick" });
    this.#respond({ type: "tick" });
    this.#elections.tick();
    this.#deps.queue.in(200, () => this.#tick(life));
  }

  #look(): void {
    if (this.#process === undefined || this.session !== "up") return;
    const fellows = this.#deps.coordinator.fellows.flatMap((entry) => parseFellow(entry) ?? []);
    this.#follow({ type: "fellows", fellows });
    if (this.#process.gate.begun.has("coordinator")) this.#pass({ type: "ready", part: "coordinator" });
    this.#elections.look();
  }

  #pass(event: StartEvent): void {
    const process = this.#process;
    if (process === undefined) return;
    const [gate, effects] = stepStartGate(process.gate, event, this.#deps.queue.nowMs);
    process.gate = gate;
    this.#begin(effects);
  }

  #begin(effects: readonly StartEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== "begin") continue;
      const { part } = effect;
      const life = this.#life;
      if (part === "mqtt") this.#follow({ type: "gate-opened" });
      this.#deps.queue.in(this.#deps.random.between(1, 500), () => {
        if (this.#life !== life) return;
        // Ready when names and ids have been read.
        if (part === "coordinator") this.#look();
        else this.#pass({ type: "ready", part });
      });
    }
  }

  #follow(event: MembershipEvent): void {
    const process = this.#process;
    if (process === undefined) return;
    const { network, log } = this.#deps;
    const self = this.fellow.uuid;
    const [membership, effects] = stepMembership(process.membership, event);
    process.membership = membership;
    for (const effect of effects) {
      if (effect.type === "connect") {
        const { ready, begun } = process.gate;
        if (!begun.has("mqtt") || !ready.has("coordinator") || !ready.has("store"))
          log.violate("dialled before the gate");
        network.dial(self, effect.fellow.uuid, effect.filters);
      }
      if (effect.type === "disconnect" && !network.hangUp(self, effect.uuid)) log.violate("hung up twice");
      if (effect.type === "subscribe") network.filtersOf(self, effect.uuid)?.add(effect.filter);
      if (effect.type === "unsubscribe") network.filtersOf(self, effect.uuid)?.delete(effect.filter);
      if (effect.type === "routes") this.#post({ type: "routes", routes: effect.routes });
    }
  }

  #post(event: OutboxEvent): void {
    const process = this.#process;
    if (process === undefined) return;
    const [outbox, effects] = stepOutbox(process.outbox, event, this.#deps.queue.nowMs);
    process.outbox = outbox;
    for (const effect of effects) {
      if (effect.type === "publish")
        this.#deps.network.publish(this.fellow.uuid, effect.topic, encodeFellowMessage(effect.message));
      else this.#deps.log.outcome(effect.key, effect.type === "failed" ? effect.reason : "delivered");
    }
  }

  #hear(event: InboxEvent): void {
    const process = this.#process;
    if (process === undefined) return;
    const [inbox, effects] = stepInbox(process.inbox, event);
    process.inbox = inbox;
    for (const effect of effects) {
      if (effect.type === "take") this.#take(effect.message, effect.floor);
      if (effect.type === "acknowledge") {
        const route = process.membership.at === "following" ? process.outbox.routes.get(effect.to) : undefined;
        if (route === undefined) continue;
        this.#deps.network.publish(this.fellow.uuid, topicOf(route, effect.path), encodeFellowAck(effect.ack));
      }
    }
  }

  /** A transaction that takes a while, fails at times, and is on disk before it is told. */
  #take(message: FellowMessage, floor: number): void {
    const { queue, random, log, network } = this.#deps;
    const process = this.#process;
    const { from, life, number } = message;
    queue.in(random.between(1, 300), () => {
      if (this.#process !== process) return;
      if (!network.isQuiet && random.unit() < 0.1) {
        this.#hear({ type: "not-taken", from, life, number });
        return;
      }
      const record = this.#records.get(from);
      const taken = new Set(record?.life === life ? record.taken : []).add(number);
      const atLeast = record?.life === life ? Math.max(floor, record.floor) : floor;
      this.#records.set(from, { life, floor: atLeast, taken: new Set([...taken].filter((one) => one >= atLeast)) });
      const key = text.decode(message.body);
      if (message.subject === "ask") log.handled(key);
      // It may die between the transaction and what follows from it.
      if (!network.isQuiet && random.unit() < 0.005) {
        this.kill();
        queue.in(random.between(200, 8_000), () => this.start());
        return;
      }
      this.#hear({ type: "taken", from, life, number });
      if (message.subject === "answer") this.#respond({ type: "answered", key, answer: key });
      else this.#answer(message, key);
    });
  }

  #answer({ from, life, number, body }: FellowMessage, key: string): void {
    this.#post({ type: "send", key: `re ${key}`, to: from, subject: "answer", body, answers: { life, number } });
  }

  #respond(event: ResponseEvent<Asker, string>): void {
    const process = this.#process;
    if (process === undefined) return;
    const [responses, effects] = stepResponses(process.responses, event, this.#deps.queue.nowMs);
    process.responses = responses;
    for (const effect of effects) if (effect.type === "respond") this.#deps.log.responded(effect.answer);
  }
}
