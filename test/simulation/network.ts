// The network between nodes in virtual time: frames take a while, in order per connection; a link may be cut, fall silent and speak
// again, lose single frames, and what was sent on a connection that is gone may still arrive.
import type { DialOptions, ParentConnection } from "#agent/link/parent-connection.ts";
import { FogbankError } from "#shared/errors.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import { forgedAck, forgedBatch, sessionOf } from "./forged-frames.ts";
import type { MemoryBroker, MemoryClient } from "../fakes/memory-broker.ts";

/** One end of a connection: a node from its start to its death. */
export interface Host {
  readonly name: string;
  readonly clock: Clock;
  readonly broker: MemoryBroker | undefined;
  readonly isAlive: boolean;
}

/** How the way from one child to its parent behaves. */
export interface LinkQuality {
  /** `silent`: what is sent waits until the link speaks again. */
  condition: "up" | "down" | "silent";
  /** Milliseconds one way; each frame up to half more. */
  latencyMs: number;
  /** Share of frames that vanish. */
  loss: number;
}

interface Frame {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** Frames that are remembered of a connection, to come again later. */
const framesKept = 8;

/** The way between a child, whichever life of it, and whichever parent. */
export class Link {
  readonly quality: LinkQuality = { condition: "up", latencyMs: 5, loss: 0 };
  readonly wires = new Set<Wire>();
  readonly random: Seeded;
  readonly clock: Clock;
  readonly counts: NetworkCounts;
  /** Hears every batch that the child sends. */
  onBatch: ((payload: Uint8Array) => void) | undefined;
  /** Frames that come again are given the number of the present session. */
  hidesSessions = false;
  /** The last session that each parent has opened. */
  readonly sessions = new Map<string, number>();
  #speaking = Promise.withResolvers<void>();
  /** What connections that are gone have carried last. */
  #echoes: Echo[] = [];

  constructor(clock: Clock, random: Seeded, counts: NetworkCounts) {
    this.clock = clock;
    this.random = random;
    this.counts = counts;
  }

  setCondition(condition: LinkQuality["condition"]): void {
    this.quality.condition = condition;
    if (condition === "silent") return;
    this.#speaking.resolve();
    this.#speaking = Promise.withResolvers<void>();
  }

  /** Resolves when the silence ends. */
  speaks(): Promise<void> {
    return this.#speaking.promise;
  }

  /** Breaks every connection. `lateMs`: the parent notices that much later, and until then takes what was on its way. */
  cut(lateMs: number): void {
    for (const wire of this.wires) wire.cut(lateMs);
  }

  /** `host` is gone from whichever end it was. `reset`: its system told the others. */
  parted(host: Host, reset: boolean): void {
    for (const wire of this.wires) wire.parted(host, reset);
  }

  /** Connects `child` with the broker of `parent()`, as it is when the call arrives there. */
  async dial(
    child: Host,
    parent: () => Host | undefined,
    options: DialOptions,
    signal: AbortSignal,
  ): Promise<ParentConnection> {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(notConnected("given up")), { once: true }),
    );
    aborted.catch(() => undefined);
    await Promise.race([child.clock.sleep(this.delayMs()), aborted]);
    while (this.quality.condition === "silent") await Promise.race([this.speaks(), aborted]);
    const server = parent();
    if (this.quality.condition === "down" || server?.isAlive !== true || server.broker === undefined)
      throw notConnected("connection refused");
    const { clientId, username, will, subscribe } = options;
    const client = await server.broker
      .connect(clientId, { username, ...(will && { will: { ...will, qos: 0, retain: false } }) })
      .catch((error: unknown) => {
        throw notConnected(String(error));
      });
    const wire = new Wire(this, { child, server, client, options });
    if (subscribe !== undefined) await client.subscribe(subscribe);
    this.wires.add(wire);
    return wire.childEnd();
  }

  /** What older connections have carried will not come again. */
  forgetEchoes(): void {
    this.#echoes = [];
    this.sessions.clear();
  }

  delayMs(): number {
    const { latencyMs } = this.quality;
    return latencyMs + Math.floor(this.random.unit() * (latencyMs / 2));
  }

  keepEcho(echo: Echo): void {
    this.#echoes = [...this.#echoes, echo].slice(-4);
  }

  /** Frames of connections that are gone arrive again, over those of today, at the same two nodes. Answers how many. */
  repeatEchoes(): number {
    let repeated = 0;
    for (const wire of this.wires) {
      for (const echo of this.#echoes) if (wire.isLike(echo)) repeated += wire.repeat(echo);
    }
    return repeated;
  }
}

export interface NetworkCounts {
  frames: number;
  lost: number;
  late: number;
  repeated: number;
}

interface Echo {
  readonly clientId: string;
  readonly server: string;
  readonly up: readonly Frame[];
  readonly down: readonly Frame[];
}

interface WireEnds {
  readonly child: Host;
  readonly server: Host;
  readonly client: MemoryClient;
  readonly options: DialOptions;
}

/** One connection. */
class Wire {
  readonly #link: Link;
  readonly #ends: WireEnds;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #isChildOpen = true;
  #isServerOpen = true;
  readonly #sent: Frame[] = [];
  readonly #received: Frame[] = [];

  constructor(link: Link, ends: WireEnds) {
    this.#link = link;
    this.#ends = ends;
    this.#up = new Pipe(link, (frame) => this.#arriveAbove(frame));
    this.#down = new Pipe(link, (frame) => this.#arriveBelow(frame));
    ends.client.onMessage(({ topic, payload }) => {
      if (ends.server.isAlive && this.#isChildOpen) this.#down.send({ topic, payload });
    });
    void ends.client.closed.then(() => {
      this.#isServerOpen = false;
      if (ends.server.isAlive) this.#down.send("end");
    });
  }

  childEnd(): ParentConnection {
    return {
      send: (topic, payload) => {
        if (!this.#isChildOpen || !this.#ends.child.isAlive) return;
        const frame = { topic, payload: payload.slice() };
        if (topic.endsWith("/b")) this.#link.onBatch?.(frame.payload);
        remember(this.#sent, frame);
        this.#up.send(frame);
      },
      drop: () => this.#leave("end"),
      [Symbol.asyncDispose]: async () => this.#leave("goodbye"),
    };
  }

  cut(lateMs: number): void {
    this.#tellChild("the connection was reset");
    this.#down.clear();
    if (lateMs > 0) this.#link.counts.late += this.#up.delay(lateMs);
    else this.#up.clear();
    this.#up.send("end");
  }

  parted(host: Host, reset: boolean): void {
    if (this.#ends.child === host) {
      this.#isChildOpen = false;
      this.#remove();
      if (reset) this.#up.send("end");
    } else if (this.#ends.server === host) {
      this.#isServerOpen = false;
      if (reset) this.#down.send("end");
    }
  }

  isLike({ clientId, server }: Echo): boolean {
    return this.#isChildOpen && this.#ends.options.clientId === clientId && this.#ends.server.name === server;
  }

  repeat({ up, down }: Echo): number {
    for (const frame of up) this.#up.send(this.#forged(frame, forgedBatch));
    for (const frame of down) this.#down.send(this.#forged(frame, forgedAck));
    return up.length + down.length;
  }

  /** Of an older session: it says more than it did, so that it shows when somebody listens to it. */
  #forged(frame: Frame, forge: typeof forgedAck): Frame {
    const session = this.#link.sessions.get(this.#ends.server.name);
    const [child = ""] = this.#ends.options.clientId.split("!");
    const payload = session && forge(frame.payload, child, session, this.#link.hidesSessions);
    return payload ? { ...frame, payload } : frame;
  }

  #leave(how: "end" | "goodbye"): void {
    if (!this.#isChildOpen) return;
    this.#isChildOpen = false;
    this.#remove();
    this.#up.send(how);
  }

  #arriveAbove(frame: Frame | Ending): void {
    const { server, client } = this.#ends;
    if (!server.isAlive) {
      this.#down.send("end"); // nobody has that connection any more: a reset
      return;
    }
    if (!this.#isServerOpen) return;
    if (frame === "goodbye") void client.disconnect();
    else if (frame === "end") this.#dropServerEnd();
    else client.publish({ ...frame, qos: 0, retain: false }).catch(() => undefined);
  }

  #arriveBelow(frame: Frame | Ending): void {
    if (!this.#isChildOpen || !this.#ends.child.isAlive) return;
    if (typeof frame === "string") this.#tellChild("the connection broke");
    else {
      remember(this.#received, frame);
      const session = frame.topic.endsWith("/h") ? sessionOf(frame.payload) : undefined;
      if (session !== undefined) this.#link.sessions.set(this.#ends.server.name, session);
      this.#ends.options.onMessage(frame.topic, frame.payload.slice());
    }
  }

  #dropServerEnd(): void {
    if (this.#isServerOpen && this.#ends.server.isAlive) void this.#ends.client.drop();
  }

  #tellChild(reason: string): void {
    if (!this.#isChildOpen) return;
    this.#isChildOpen = false;
    this.#remove();
    if (this.#ends.child.isAlive) this.#ends.options.onClosed(reason);
  }

  #remove(): void {
    this.#link.wires.delete(this);
    const { options, server } = this.#ends;
    // Batches, wills and acknowledgements: what an older session could still bring.
    const up = this.#sent.filter(({ topic }) => topic.endsWith("/b") || topic.endsWith("/w"));
    const down = this.#received.filter(({ topic }) => topic.endsWith("/a"));
    this.#link.keepEcho({ clientId: options.clientId, server: server.name, up, down });
  }
}

type Ending = "end" | "goodbye";

/** One direction of a connection: first in, first out. */
class Pipe {
  readonly #link: Link;
  readonly #arrive: (frame: Frame | Ending) => void;
  #queue: { readonly atMs: number; readonly frame: Frame | Ending }[] = [];
  #isMoving = false;
  #heldUntilMs = 0;

  constructor(link: Link, arrive: (frame: Frame | Ending) => void) {
    this.#link = link;
    this.#arrive = arrive;
  }

  send(frame: Frame | Ending): void {
    const { quality, random, counts } = this.#link;
    counts.frames++;
    if (typeof frame !== "string" && quality.loss > 0 && random.unit() < quality.loss) counts.lost++;
    else {
      this.#queue.push({ atMs: this.#link.clock.monotonic() + this.#link.delayMs(), frame });
      if (!this.#isMoving) void this.#move();
    }
  }

  /** What is on its way arrives so much later. Answers how many frames that are. */
  delay(ms: number): number {
    this.#heldUntilMs = this.#link.clock.monotonic() + ms;
    return this.#queue.length;
  }

  /** What is on its way is lost. */
  clear(): void {
    this.#queue = [];
  }

  async #move(): Promise<void> {
    const { clock, quality } = this.#link;
    this.#isMoving = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const leftMs = Math.max(next.atMs, this.#heldUntilMs) - clock.monotonic();
      if (leftMs > 0) await clock.sleep(leftMs);
      else if (quality.condition === "silent") await this.#link.speaks();
      else {
        this.#queue.shift();
        this.#arrive(next.frame);
      }
    }
    this.#isMoving = false;
  }
}

function remember(frames: Frame[], frame: Frame): void {
  frames.push(frame);
  if (frames.length > framesKept) frames.shift();
}

function notConnected(reason: string): FogbankError {
  return new FogbankError("FOGBANK_NOT_CONNECTED", reason);
}
