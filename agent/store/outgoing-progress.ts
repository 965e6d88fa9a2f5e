// How far the sending of one stream is: which of its stored numbers are in flight, and which the parent has refused. Volatile: without
// it everything that is stored is sent, and what comes twice is dropped above.
import {
  addInterval,
  emptyIntervals,
  missingFrom,
  removeInterval,
  type Interval,
  type IntervalSet,
} from "#shared/journal/interval-set.ts";
import type { Lane } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";

interface Refused {
  readonly interval: Interval;
  readonly times: number;
  /** By the sender's monotonic clock. */
  readonly retryAtMs: number;
}

export class OutgoingProgress {
  /** The connection that it was last sent on. */
  lane: Lane | undefined;
  /** Sessions with the parent since it was last empty: each may have left a hole above. */
  sessions = 0;
  #sent: IntervalSet = emptyIntervals;
  /** Acknowledged: the deletion is on its way. */
  #acknowledged: IntervalSet = emptyIntervals;
  readonly #refusedByFirst = new Map<number, Refused>();

  get refusals(): number {
    return this.#refusedByFirst.size;
  }

  /** Nothing is known of it that would have to be kept. */
  get isEmpty(): boolean {
    return this.#sent.length === 0 && this.#acknowledged.length === 0 && this.#refusedByFirst.size === 0;
  }

  /** In flight, as far as the store knows. */
  inFlight(): IntervalSet {
    return union(this.#sent, this.#acknowledged);
  }

  /** Where numbers may be stored that are to be sent now, ascending; `handed` are with the parent already. */
  open(handed: IntervalSet, nowMs: number): IntervalSet {
    let covered = union(this.inFlight(), handed);
    for (const { interval, retryAtMs } of this.#refusedByFirst.values()) {
      if (retryAtMs > nowMs) covered = addInterval(covered, ...interval);
    }
    return missingFrom(covered, 1, Number.MAX_SAFE_INTEGER);
  }

  send([first, last]: Interval): void {
    this.#sent = addInterval(this.#sent, first, last);
  }

  /** Only of what is in flight: the deletion of anything else may be done already. */
  acknowledge(ranges: IntervalSet): void {
    for (const [first, last] of ranges) {
      for (const [from, to] of this.#sent) {
        if (to < first || from > last) continue;
        this.#acknowledged = addInterval(this.#acknowledged, Math.max(first, from), Math.min(last, to));
      }
      this.#sent = removeInterval(this.#sent, first, last);
    }
  }

  /** Nothing is in flight any more. */
  restart(): void {
    this.#sent = emptyIntervals;
  }

  /** These numbers are deleted, or marked as handed on. */
  forget(ranges: IntervalSet): void {
    for (const [first, last] of ranges) {
      this.#sent = removeInterval(this.#sent, first, last);
      this.#acknowledged = removeInterval(this.#acknowledged, first, last);
      for (const at of this.#refusedByFirst.keys()) if (at >= first && at <= last) this.#refusedByFirst.delete(at);
    }
  }

  /**
   * The parent did not take that segment: it waits, longer each time, or `uncountedMs`, which does not count. Answers how often that was so.
   */
  refuse(interval: Interval, nowMs: number, uncountedMs?: number): number {
    const before = this.#refusedByFirst.get(interval[0])?.times ?? 0;
    const times = uncountedMs === undefined ? before + 1 : before;
    const pauseMs = uncountedMs ?? Math.min(limits.refusedPauseMsMax, limits.refusedPauseMs * 4 ** (times - 1));
    this.#refusedByFirst.set(interval[0], { interval, times, retryAtMs: nowMs + pauseMs });
    this.#sent = removeInterval(this.#sent, ...interval);
    return times;
  }

  /** When the next refused segment is to be sent again, after `nowMs`. */
  nextRetryAtMs(nowMs: number): number {
    let next = Infinity;
    for (const { retryAtMs } of this.#refusedByFirst.values()) if (retryAtMs > nowMs) next = Math.min(next, retryAtMs);
    return next;
  }
}

function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  return b.reduce((set, [first, last]) => addInterval(set, first, last), a);
}
