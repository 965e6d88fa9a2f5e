// A small tree over the pure core of machine messages: no broker, no database, no clock. Frames and commits wait in queues until a test
// lets them happen, in whatever order, twice, or never.
import { parseNodeName, type NodeName } from "#shared/ids.ts";
import type { Effect, Recorded } from "#shared/machine/effect.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "#shared/machine/envelope.ts";
import { MachineCore } from "#shared/machine/machine-core.ts";
import { decodeRecord } from "#shared/machine/message-record.ts";
import { above, type Neighbour, type NeighbourView, type World } from "#shared/machine/neighbour.ts";
import { decodeReceipt, encodeReceipt } from "#shared/machine/receipt-wire.ts";
import type { NodeResult, Receipt } from "#shared/machine/receipt.ts";

interface Member {
  readonly name: NodeName;
  core: MachineCore;
  isUp: boolean;
  /** Grows with each life: what an earlier one began is nobody's business. */
  life: number;
  parent: NodeName | undefined;
  isConnected: boolean;
  sessions: number;
  /** Whom this life has talked to above. */
  lastParent: NodeName | undefined;
  readonly children: Map<NodeName, NeighbourView>;
  /** What is on disk. */
  readonly seen: Map<string, NodeResult | null>;
  readonly open: Map<string, Uint8Array>;
}

/** Something that happens later: a frame that arrives, a commit that ends, a link that is found broken. */
interface Pending {
  readonly run: () => void;
  /** A frame, which may come twice. */
  readonly isFrame: boolean;
  readonly isAlive: () => boolean;
}

/** A reply that a caller has read. */
export interface ModelReply {
  readonly node: string;
  readonly receipt: Receipt;
  readonly isFinal: boolean;
}

export class ModelTree {
  readonly replies: ModelReply[] = [];
  /** What callers have heard of single nodes. */
  readonly results: NodeResult[] = [];
  readonly refused: string[] = [];
  /** Bytes of all receipts that were sent. */
  receiptBytes = 0;
  /** How often each node has begun each function. */
  readonly runs = new Map<string, number>();
  /** How often each node has told its subscribers of each event. */
  readonly told = new Map<string, number>();
  /** Functions that end only when `finishRuns` is called. */
  isSlow = false;
  nowMs = 1_000_000;
  readonly #members = new Map<string, Member>();
  #pending: Pending[] = [];
  #slow: (() => void)[] = [];

  /** `holds`: whether the condition of that text holds at a node. */
  readonly #holds: (condition: string, node: string) => boolean;

  constructor(
    parents: Readonly<Record<string, string | undefined>>,
    holds: (condition: string, node: string) => boolean,
  ) {
    this.#holds = holds;
    for (const [text, parent] of Object.entries(parents)) {
      const name = parseNodeName(text);
      this.#members.set(text, {
        name,
        core: this.#newCore(name),
        isUp: true,
        life: 1,
        parent: parent === undefined ? undefined : parseNodeName(parent),
        isConnected: false,
        sessions: 0,
        lastParent: undefined,
        children: new Map(),
        seen: new Map(),
        open: new Map(),
      });
    }
    for (const name of this.names()) this.connect(name);
  }

  names(): readonly string[] {
    return [...this.#members.keys()];
  }

  isUp(name: string): boolean {
    return this.#member(name).isUp;
  }

  /** Whether a call of that id would be there after a kill of the node. */
  isKept(name: string, id: string): boolean {
    return this.#member(name).open.has(id);
  }

  publish(name: string, envelope: Envelope): void {
    const member = this.#member(name);
    const holds = this.#holds(envelope.condition, name);
    const replies = new Map([["reply", undefined]]);
    const results = envelope.wantsAll ? "results" : undefined;
    const caller = { kind: "local" as const, replies, user: "", results };
    this.#perform(member, member.core.publish(this.#world(member), envelope, caller, holds));
  }

  cancel(name: string, id: string): void {
    const member = this.#member(name);
    if (!member.isUp) return;
    const effects = member.core.cancel(this.#world(member), id, "", "called off");
    if (typeof effects !== "string") this.#perform(member, effects);
  }

  /** The `index`-th of what is pending is lost, if it is a frame. */
  lose(index: number): void {
    const at = this.#pending.length === 0 ? 0 : index % this.#pending.length;
    if (this.#pending[at]?.isFrame === true) this.#pending.splice(at, 1);
  }

  /** The `index`-th of what is pending happens; a frame stays to come again when it is `repeated`. */
  happen(index: number, repeated = false): void {
    if (this.#pending.length === 0) return;
    const at = index % this.#pending.length;
    const one = this.#pending[at];
    if (one === undefined) return;
    if (!repeated || !one.isFrame) this.#pending.splice(at, 1);
    if (one.isAlive()) one.run();
  }

  /** All that is pending happens, in its order, and what follows from it. */
  settle(): void {
    for (let rounds = 0; this.#pending.length > 0 && rounds < 100_000; rounds++) this.happen(0);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const member of this.#members.values())
      if (member.isUp) this.#perform(member, member.core.tick(this.#world(member)));
  }

  finishRuns(): void {
    for (const finish of this.#slow.splice(0)) finish();
  }

  /** The link breaks: what was on its way is lost. The parent finds out later. */
  cut(name: string): void {
    const member = this.#member(name);
    if (!member.isConnected || member.parent === undefined) return;
    member.isConnected = false;
    member.sessions++;
    this.#changed(member, this.#above(member));
    const parent = this.#member(member.parent);
    const view = parent.children.get(member.name);
    this.#later(parent, () => {
      const now = parent.children.get(member.name);
      if (now !== undefined && now.session === view?.session) this.#setChild(parent, { ...now, state: "lost" });
    });
  }

  connect(name: string): void {
    const member = this.#member(name);
    if (member.parent === undefined || member.isConnected || !member.isUp) return;
    const parent = this.#member(member.parent);
    if (!parent.isUp) return;
    this.nowMs++; // no connection is made in no time
    member.isConnected = true;
    member.sessions++;
    member.lastParent = parent.name;
    const session = (parent.children.get(member.name)?.session ?? 0) + 1;
    const at = { sinceMs: this.nowMs, session, below: parent.children.get(member.name)?.below ?? 0 };
    this.#setChild(parent, { key: member.name, name: member.name, state: "online", ...at });
    this.#tellAbove(parent);
    this.#changed(member, this.#above(member));
  }

  move(name: string, parent: string): void {
    this.cut(name);
    this.#member(name).parent = parseNodeName(parent);
    this.connect(name);
  }

  /** What is not on disk is lost. */
  kill(name: string): void {
    const member = this.#member(name);
    if (!member.isUp) return;
    this.cut(name);
    for (const child of this.#members.values()) if (child.parent === member.name) this.cut(child.name);
    member.isUp = false;
    member.life++;
  }

  start(name: string): void {
    const member = this.#member(name);
    if (member.isUp) return;
    member.isUp = true;
    member.core = this.#newCore(member.name);
    member.lastParent = undefined;
    for (const [child, view] of member.children) member.children.set(child, { ...view, state: "lost" });
    for (const body of member.open.values()) {
      const record = decodeRecord(body);
      if (record === undefined) throw new Error("a record cannot be read");
      const verdict = { holds: this.#holds(record.envelope.condition, name) };
      this.#perform(member, member.core.restore(this.#world(member), record, body.length, verdict));
    }
    this.connect(name);
    for (const child of this.#members.values()) if (child.parent === member.name) this.connect(child.name);
  }

  #newCore(name: NodeName): MachineCore {
    return new MachineCore(name, 1_000_000);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no ${name}`);
    return member;
  }

  #above(member: Member): NeighbourView {
    const { isConnected, sessions, lastParent, name } = member;
    const state = isConnected ? "online" : "lost";
    return { key: above, name: lastParent ?? name, state, sinceMs: this.nowMs, session: sessions, below: 0 };
  }

  #world(member: Member): World {
    const views = (): readonly NeighbourView[] =>
      member.parent === undefined ? [...member.children.values()] : [this.#above(member), ...member.children.values()];
    return {
      nowMs: this.nowMs,
      monotonicMs: this.nowMs,
      neighbours: views,
      neighbour: (key) => views().find((view) => view.key === key),
      mayHoldBelow: () => true,
      offers: () => true,
      isOfferAwaited: () => false,
    };
  }

  #setChild(parent: Member, view: NeighbourView): void {
    parent.children.set(view.name, view);
    this.#changed(parent, view);
  }

  /** That somebody has come below `member`, once the news gets there. */
  #tellAbove(member: Member): void {
    const parent = member.parent === undefined ? undefined : this.#member(member.parent);
    if (parent === undefined) return;
    this.#later(parent, () => {
      const view = parent.children.get(member.name);
      if (view === undefined || member.parent !== parent.name) return;
      this.#setChild(parent, { ...view, below: view.below + 1 });
      this.#tellAbove(parent);
    });
  }

  #changed(member: Member, view: NeighbourView): void {
    if (member.isUp) this.#perform(member, member.core.neighbourChanged(this.#world(member), view));
  }

  #later(member: Member, run: () => void): void {
    const { life } = member;
    this.#pending.push({ run, isFrame: false, isAlive: () => member.isUp && member.life === life });
  }

  #perform(member: Member, effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(member, effect);
  }

  #performOne(member: Member, effect: Effect): void {
    const at = (id: string): string => `${member.name} ${id}`;
    switch (effect.type) {
      case "ask":
        for (const to of effect.to) this.#send(member, to, encodeEnvelope(effect.envelope), "ask");
        return;
      case "report": {
        const bytes = encodeReceipt(effect.frame);
        this.receiptBytes += bytes.length;
        this.#send(member, effect.to, bytes, "report");
        return;
      }
      case "results":
        for (const result of effect.results) this.results.push(result);
        return;
      case "refused":
        this.refused.push(effect.reason);
        return;
      case "reply":
        this.replies.push({ node: member.name, ...effect.report });
        return;
      case "remember":
      case "recall":
        this.#later(member, () => {
          const known = member.seen.get(effect.id);
          const answer: Recorded = known === undefined ? { type: "new" } : { type: "known", result: known };
          if (effect.type === "remember" && known === undefined) member.seen.set(effect.id, null);
          this.#perform(member, member.core.recorded(this.#world(member), effect.id, answer));
        });
        return;
      case "run":
        count(this.runs, at(effect.envelope.id));
        this.#run(member, effect.envelope.id);
        return;
      case "outcome":
        this.#later(member, () => {
          member.seen.set(effect.id, effect.result);
          this.#perform(member, member.core.settled(this.#world(member), effect.id));
        });
        return;
      case "deliver":
        count(this.told, at(effect.envelope.id));
        return;
      case "keep":
        this.#later(member, () => {
          member.open.set(effect.id, effect.body);
          this.#perform(member, member.core.kept(this.#world(member), effect.id, true));
        });
        return;
      case "drop":
        this.#later(member, () => void member.open.delete(effect.id));
        return;
      case "stop":
        return;
    }
  }

  #run(member: Member, id: string): void {
    const finish = (): void =>
      this.#later(member, () => {
        const result: NodeResult = { node: member.name, status: "done", value: member.name };
        this.#perform(member, member.core.ran(this.#world(member), id, result));
      });
    const { life } = member;
    if (this.isSlow) this.#slow.push(() => (member.life === life ? finish() : undefined));
    else finish();
  }

  #send(from: Member, to: Neighbour, bytes: Uint8Array, kind: "ask" | "report"): void {
    const [child, target] = to === above ? [from, from.parent] : [this.#member(to), to];
    if (target === undefined || !child.isConnected || child.parent !== (to === above ? target : from.name)) return;
    const { sessions } = child;
    const receiver = this.#member(target);
    const isAlive = (): boolean => child.isConnected && child.sessions === sessions && receiver.isUp;
    const run = (): void => {
      const view = to === above ? receiver.children.get(from.name) : this.#above(receiver);
      if (view !== undefined) this.#perform(receiver, this.#take(receiver, view, bytes, kind));
    };
    this.#pending.push({ run, isFrame: true, isAlive });
  }

  #take({ core, name }: Member, view: NeighbourView, bytes: Uint8Array, kind: "ask" | "report"): readonly Effect[] {
    const world = this.#world(this.#member(name));
    const decoded = kind === "ask" ? decodeEnvelope(bytes) : decodeReceipt(bytes);
    if ("malformed" in decoded) throw new Error(decoded.malformed);
    const { frame } = decoded;
    if ("receipt" in frame) return core.heard(world, view, frame);
    return core.hear(world, view, frame, { holds: this.#holds(frame.condition, name) });
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
