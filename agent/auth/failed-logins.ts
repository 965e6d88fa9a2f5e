// Sends addresses away that guess passwords. From one address no more attempts are under way than may still fail; the rest waits for
// their outcome: many at once get no more guesses, and a site full of clients with the right password gets in.
import { isIPv6 } from "node:net";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";

interface Attempts {
  sinceMs: number;
  failed: number;
  underWay: number;
  readonly waiting: (() => void)[];
}

/** A network of IPv6 that one customer has: 64 bits. */
const ipv6Groups = 4;

export class FailedLogins {
  readonly #clock: Pick<Clock, "monotonic">;
  /** In the order of their first attempt, the oldest in front. */
  readonly #byPlace = new Map<string, Attempts>();
  #waiting = 0;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#byPlace.size;
  }

  /** Answers false when `address` has failed too often, or too many wait; else the attempt is under way until its `end`. */
  async begin(address: string): Promise<boolean> {
    const place = placeOf(address);
    for (;;) {
      const nowMs = this.#clock.monotonic();
      this.#forget(nowMs);
      let attempts = this.#byPlace.get(place);
      if (attempts === undefined) {
        attempts = { sinceMs: nowMs, failed: 0, underWay: 0, waiting: [] };
        this.#byPlace.set(place, attempts);
      }
      if (attempts.failed >= limits.failedLogins) return false;
      if (attempts.failed + attempts.underWay < limits.failedLogins) {
        attempts.underWay++;
        return true;
      }
      if (this.#waiting >= limits.loginsWaiting) return false;
      const { waiting } = attempts;
      this.#waiting++;
      await new Promise<void>((resolve) => void waiting.push(resolve));
      this.#waiting--;
    }
  }

  /** An attempt that has begun has failed or not. */
  end(address: string, hasFailed: boolean): void {
    const place = placeOf(address);
    const attempts = this.#byPlace.get(place);
    if (attempts === undefined) return;
    attempts.underWay = Math.max(0, attempts.underWay - 1);
    if (hasFailed) attempts.failed++;
    wake(attempts, limits.failedLogins - attempts.failed - attempts.underWay);
    if (attempts.failed >= limits.failedLogins) wake(attempts, Number.POSITIVE_INFINITY);
    else if (attempts.failed === 0 && attempts.underWay === 0 && attempts.waiting.length === 0)
      this.#byPlace.delete(place);
  }

  #forget(nowMs: number): void {
    for (const [place, attempts] of this.#byPlace) {
      const isOver = nowMs - attempts.sinceMs >= limits.failedLoginWindowMs;
      if (!isOver && this.#byPlace.size < limits.failedLoginAddresses) return;
      this.#byPlace.delete(place);
      wake(attempts, Number.POSITIVE_INFINITY); // they count anew
    }
  }
}

/** Lets up to `count` of those who wait look again. */
function wake({ waiting }: Attempts, count: number): void {
  for (const go of waiting.splice(0, Math.max(0, count))) go();
}

/** Addresses that the same host may have count together. */
function placeOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.replace(/%.*/s, "").split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  const groups = [...front, ...Array<string>(gap).fill("0"), ...back];
  return groups
    .slice(0, ipv6Groups)
    .map((group) => Number.parseInt(group, 16))
    .join(":");
}
