// How many connections the limit of open files leaves room for.
import type { Level } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { type Finding, ok } from "./finding.ts";

export interface DescriptorFacts {
  /** Of open files, for the process; Infinity without one. */
  readonly limit: number;
  readonly level: Level;
  /** The limit is that of the running node, and not of the shell in which this command runs. */
  readonly isOfNode: boolean;
}

/** For files of the node itself, its listeners and its uplink. */
const ownDescriptors = 64;
/** A child has two connections, an application one. */
const expected: Readonly<Record<Level, number>> = { device: 256, fog: 2_000, cloud: limits.connections };
const check = "open-files";

export function judgeDescriptors({ limit, level, isOfNode }: DescriptorFacts): Finding {
  const room = Math.max(0, Math.min(limit - ownDescriptors, limits.connections));
  const whose = isOfNode ? "the running node" : "this shell";
  const what = `${limit === Infinity ? "any number of" : limit} open files for ${whose}, room for ${room} connections`;
  if (room >= expected[level]) return ok(check, what);
  return {
    check,
    level: room < expected.device ? "warning" : "advice",
    what: `${what}; a ${level} may have ${expected[level]}: two for each child, one for each client`,
    todo: `if it will: LimitNOFILE=${expected[level] + ownDescriptors} in its service, or ulimit -Hn in its shell`,
  };
}

/** The hard limit in a text of /proc/PID/limits, to which Node raises its own at the start; undefined when it is not there. */
export function fileLimitIn(text: string | undefined): number | undefined {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text ?? "")?.[1];
  return hard === undefined ? undefined : hard === "unlimited" ? Infinity : Number(hard);
}
