// Connections between servers and what is published over them: late, twice, out of order, or not at all, until the network is quiet.
import type { Fellow } from "#shared/fellows/fellow.ts";
import type { FellowId } from "#shared/fellows/fellow-names.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { EventQueue } from "./event-queue.ts";

/** A server as the network sees it. */
export interface Station {
  readonly fellow: Fellow;
  /** Its process runs, and its bridge has begun. */
  isListening(): boolean;
  receive(peer: FellowId, topic: string, bytes: Uint8Array): void;
}

interface Dialled {
  readonly filters: Set<string>;
  upAtMs: number;
}

export class FellowNetwork {
  readonly #queue: EventQueue;
  readonly #random: Seeded;
  readonly #stations = new Map<FellowId, Station>();
  /** By who dialled and whom. */
  readonly #dialled = new Map<string, Dialled>();
  isQuiet = false;
  lost = 0;
  repeated = 0;

  constructor(queue: EventQueue, random: Seeded) {
    this.#queue = queue;
    this.#random = random;
  }

  add(station: Station): void {
    this.#stations.set(station.fellow.uuid, station);
  }

  dial(from: FellowId, to: FellowId, filters: readonly string[]): void {
    const upAtMs = this.#queue.nowMs + this.#random.between(5, 200);
    this.#dialled.set(`${from} ${to}`, { filters: new Set(filters), upAtMs });
  }

  hangUp(from: FellowId, to: FellowId): boolean {
    return this.#dialled.delete(`${from} ${to}`);
  }

  /** All connections of a server that has died, those to it as well: whoever dialled it tries again. */
  drop(uuid: FellowId): void {
    for (const [key, dialled] of this.#dialled) {
      if (key.startsWith(uuid)) this.#dialled.delete(key);
      else if (key.endsWith(uuid)) dialled.upAtMs = this.#queue.nowMs + this.#random.between(50, 2_000);
    }
  }

  cut(from: FellowId, to: FellowId, ms: number): void {
    const dialled = this.#dialled.get(`${from} ${to}`);
    if (dialled !== undefined) dialled.upAtMs = this.#queue.nowMs + ms;
  }

  filtersOf(from: FellowId, to: FellowId): Set<string> | undefined {
    return this.#dialled.get(`${from} ${to}`)?.filters;
  }

  /** At the broker of `publisher`. */
  publish(publisher: FellowId, topic: string, bytes: Uint8Array): void {
    for (const [uuid, station] of this.#stations) {
      const dialled = this.#dialled.get(`${uuid} ${publisher}`);
      if (dialled === undefined || dialled.upAtMs > this.#queue.nowMs || !dialled.filters.has(topic)) continue;
      for (const delayMs of this.#copies()) {
        this.#queue.in(delayMs, () => {
          if (station.isListening()) station.receive(publisher, topic, bytes);
        });
      }
    }
  }

  /** When each copy arrives; some come when their sender has long done with the message. */
  #copies(): readonly number[] {
    const soon = this.#random.between(1, 100);
    if (this.isQuiet) return [soon];
    const chance = this.#random.unit();
    if (chance < 0.15) {
      this.lost++;
      return [];
    }
    if (chance > 0.3) return [soon];
    this.repeated++;
    return [soon, this.#random.between(1, 40_000)];
  }
}
