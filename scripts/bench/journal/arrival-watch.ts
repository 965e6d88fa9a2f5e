// Watches a backlog arrive: when the first message was there, when the last, and how fast in between.
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../process-usage.ts";
import type { Arrived } from "./forward-system.ts";

export interface Moment {
  readonly atMs: number;
  readonly count: number;
}

/** Of one way to count: the first look that found messages, and the look that found the most. */
export interface Arrival {
  readonly first: Moment;
  readonly last: Moment;
}

export interface ArrivalWatch {
  readonly readable: Arrival | undefined;
  readonly durable: Arrival | undefined;
}

const lookEveryMs = 10;
/** Nothing came for so long: what is missing will not come. Before the first message a link may take its time. */
const silentMsMax = 3_000;
const silentMsMaxFirst = 30_000;

/** Looks every 10 ms until `messages` are readable, or nothing has come for long. `look` must be cheap: it runs beside what is measured. */
export async function watchArrival(
  messages: number,
  look: () => Promise<Arrived>,
  onProgress: () => void = () => undefined,
): Promise<ArrivalWatch> {
  let readable: Arrival | undefined;
  let durable: Arrival | undefined;
  let changedAtMs = monotonicMs();
  for (;;) {
    const found = await look();
    const nowMs = monotonicMs();
    const before = (readable?.last.count ?? 0) + (durable?.last.count ?? 0);
    readable = withLook(readable, { atMs: nowMs, count: found.readable });
    if (found.durable !== undefined) durable = withLook(durable, { atMs: nowMs, count: found.durable });
    if ((readable?.last.count ?? 0) + (durable?.last.count ?? 0) > before) {
      changedAtMs = nowMs;
      onProgress();
    }
    if (found.readable >= messages) return { readable, durable };
    const silentMs = readable === undefined ? silentMsMaxFirst : silentMsMax;
    if (nowMs - changedAtMs > silentMs) return { readable, durable };
    await sleep(lookEveryMs);
  }
}

/** Pure. Undefined as long as nothing has come. */
export function withLook(arrival: Arrival | undefined, look: Moment): Arrival | undefined {
  if (look.count === 0) return arrival;
  if (arrival === undefined) return { first: look, last: look };
  return look.count > arrival.last.count ? { ...arrival, last: look } : arrival;
}

/** Messages per second from the first look that found any to the last, those that were there at the first left out. Pure; NaN of one look. */
export function rateBetween({ first, last }: Arrival): number {
  return (1000 * (last.count - first.count)) / (last.atMs - first.atMs);
}

/** Messages per second from `sinceMs` to the last one. Pure. */
export function rateSince({ last }: Arrival, sinceMs: number): number {
  return (1000 * last.count) / (last.atMs - sinceMs);
}
