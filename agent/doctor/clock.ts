// Whether the machine's clock can be believed. A root stamps by it; below a root the tree's time comes from the parent, and the clock
// is for certificates and logs.
import { formatDuration } from "../cli/quantities.ts";
import { type Finding, ok } from "./finding.ts";

export interface ClockFacts {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly isRoot: boolean;
  /** Certificates are verified by this clock. */
  readonly needsTls: boolean;
  readonly synchronisation: Synchronisation;
  /** The hardware clock keeps local time (third line of /etc/adjtime). */
  readonly keepsLocalTime: boolean;
}

/** `told`: systemd-timesyncd says so; `awaited`: it runs and has not yet; `daemon`: another one runs, and its state is not to be seen. */
export type Synchronisation = "told" | "awaited" | "daemon" | "unknown";

/** The clock of a node above, against this machine's. */
export interface ClockDifference {
  readonly node: string;
  /** Positive: that clock is ahead. */
  readonly aheadMs: number;
  /** How much of it may come from the way there and back. */
  readonly uncertainMs: number;
}

const yearMin = 2025;
const yearMax = 2060;
const smallMs = 2_000;
const largeMs = 60_000;
const check = "clock";
const setIt =
  "connect it to a time server (systemd-timesyncd, chrony); a board without a battery loses the time with the power";

export function judgeClock({
  nowMs,
  isRoot,
  needsTls,
  synchronisation,
  keepsLocalTime,
}: ClockFacts): readonly Finding[] {
  const time = `${new Date(nowMs).toISOString().slice(0, 19).replace("T", " ")}Z`;
  const year = new Date(nowMs).getUTCFullYear();
  if (year < yearMin || year > yearMax) {
    const consequence = isRoot
      ? ": a root stamps data by it"
      : needsTls
        ? ": certificates are not valid at that time"
        : "";
    return [
      {
        check,
        level: isRoot || needsTls ? "problem" : "warning",
        what: `the clock says ${time}${consequence}`,
        todo: setIt,
      },
    ];
  }
  const findings: Finding[] = [];
  if (synchronisation === "awaited") {
    findings.push({
      check,
      level: isRoot ? "warning" : "advice",
      what: `it is ${time}, and systemd-timesyncd has not reached a time server yet`,
      todo: "let this machine reach one: NTP= in /etc/systemd/timesyncd.conf names those of your own network",
    });
  }
  if (synchronisation === "unknown") {
    const what = `it is ${time}; whether anybody keeps that right cannot be seen`;
    findings.push(
      isRoot ? { check, level: "advice", what, todo: setIt } : ok(check, `${what}: the parent's time counts`),
    );
  }
  if (keepsLocalTime) {
    findings.push({
      check,
      level: "advice",
      what: "the hardware clock keeps local time, which steps twice a year",
      todo: "let it keep UTC: timedatectl set-local-rtc 0",
    });
  }
  if (findings.length > 0) return findings;
  return [ok(check, `it is ${time}, ${synchronisation === "told" ? "synchronised" : "kept by a time daemon"}`)];
}

export function judgeDifference({ node, aheadMs, uncertainMs }: ClockDifference): Finding {
  const offMs = Math.abs(aheadMs);
  const by = offMs < smallMs ? `${Math.round(offMs)} ms` : formatDuration(offMs);
  const what = `the clock of ${node} is ${by} ${aheadMs < 0 ? "behind" : "ahead"} (to within ${Math.ceil(uncertainMs)} ms)`;
  if (offMs <= smallMs + uncertainMs) return ok(check, what);
  const isLarge = offMs > largeMs;
  return {
    check,
    level: isLarge ? "warning" : "advice",
    what: `${what}: data get the time of the tree's root, logs of this machine its own`,
    todo: `${isLarge ? "find out which of the two is wrong, and " : ""}connect both to a time server`,
  };
}
