// The network connections of a broker: accepted, watched, closed. A sweep twice a second while there is something to watch.
import type { Duplex } from "node:stream";
import { limits } from "#shared/limits.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { ConnectionOrigin } from "../net/connection-origin.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import type { BrokerCounts } from "./counts.ts";
import { HeldTotal } from "./held-total.ts";
import { OutletPool } from "./outlet.ts";

const sweepMs = 500;

export interface ConnectionsDeps {
  readonly clock: Clock;
  readonly counts: BrokerCounts;
  /** Other things to look after with every sweep. */
  onSweep(): void;
  /** Whether the sweep goes on without connections. */
  needsSweep(): boolean;
}

interface Watched {
  readonly sinceMs: number;
  /** Bytes that had left when writing last made progress. */
  leftBytes: number;
  progressMs: number;
}

export class Connections {
  readonly #deps: ConnectionsDeps;
  readonly #events: ConnectionEvents;
  readonly #shared = { pool: new OutletPool(), held: new HeldTotal() };
  readonly #watched = new Map<Connection, Watched>();
  /** Ended, but for what is still to leave; and until when. */
  readonly #closing = new Map<Duplex, number>();
  #sweeping: AbortController | undefined;

  constructor(deps: ConnectionsDeps, events: ConnectionEvents) {
    this.#deps = deps;
    this.#events = events;
  }

  get size(): number {
    return this.#watched.size;
  }

  *open(): Generator<Connection, void, void> {
    for (const connection of this.#watched.keys()) if (connection.isOpen) yield connection;
  }

  accept(stream: Duplex, origin: ConnectionOrigin): void {
    const nowMs = this.#deps.clock.monotonic();
    const connection = new Connection(stream, origin, nowMs, this.#shared, this.#events);
    this.#watched.set(connection, { sinceMs: nowMs, leftBytes: 0, progressMs: nowMs });
    this.sweepSoon();
  }

  forget(connection: Connection): void {
    this.#watched.delete(connection);
    this.#deps.counts.bytesOut += connection.outlet.bytesOut;
    const { stream } = connection;
    if (!stream.destroyed) {
      this.#closing.set(stream, this.#deps.clock.monotonic() + limits.closingMs);
      stream.once("close", () => {
        this.#closing.delete(stream);
        this.#rest();
      });
    }
    this.#rest();
  }

  /** Tells everybody that the broker stops. */
  endAll(): void {
    for (const connection of this.#watched.keys()) connection.end(reason.serverShuttingDown, "the broker stops");
    this.#closing.clear(); // the listener cuts them off
    this.#sweeping?.abort();
  }

  /** Something to watch has come. */
  sweepSoon(): void {
    if (this.#sweeping !== undefined) return;
    const stop = new AbortController();
    this.#sweeping = stop;
    void this.#run(stop);
  }

  async #run(stop: AbortController): Promise<void> {
    try {
      for (;;) {
        await this.#deps.clock.sleep(sweepMs, stop.signal);
        this.#sweep();
        this.#deps.onSweep();
        if (!this.#hasWork()) return;
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      this.#sweeping = undefined;
      // Between the abort and here a connection may have come.
      if (this.#hasWork()) this.sweepSoon();
    }
  }

  #hasWork(): boolean {
    return this.#watched.size > 0 || this.#closing.size > 0 || this.#deps.needsSweep();
  }

  #rest(): void {
    if (!this.#hasWork()) this.#sweeping?.abort();
  }

  #sweep(): void {
    const nowMs = this.#deps.clock.monotonic();
    for (const [connection, watched] of this.#watched) {
      if (connection.state === "closed") continue;
      if (!connection.isOpen && nowMs - watched.sinceMs >= limits.connectPacketMs) connection.close();
      else if (isSilent(connection, nowMs))
        connection.end(reason.keepAliveTimeout, "nothing was heard for one and a half keep alive intervals");
      else this.#checkWriting(connection, watched, nowMs);
    }
    for (const [stream, untilMs] of this.#closing) if (nowMs >= untilMs) stream.destroy();
  }

  /** A client that does not read for long is closed: what is stored for it waits for its return. */
  #checkWriting(connection: Connection, watched: Watched, nowMs: number): void {
    const { outlet } = connection;
    if (outlet.pendingBytes === 0 || outlet.leftBytes !== watched.leftBytes) {
      watched.leftBytes = outlet.leftBytes;
      watched.progressMs = nowMs;
    } else if (nowMs - watched.progressMs >= limits.stalledMs) {
      this.#deps.counts.slowClosed++;
      connection.close();
    }
  }
}

/** [MQTT-3.1.2-22]; a connection that we do not read from is not silent. */
function isSilent({ isOpen, isReading, keepAliveMs, lastReadMs }: Connection, nowMs: number): boolean {
  return isOpen && isReading && keepAliveMs > 0 && nowMs - lastReadMs >= keepAliveMs * 1.5;
}
