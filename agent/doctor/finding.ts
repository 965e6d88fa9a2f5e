// What a look at one thing has come to, and what to do about it.

/** From fine to what keeps a node from its work. `advice` also stands for what this user cannot see. */
export const findingLevels = ["ok", "advice", "warning", "problem"] as const;
export type FindingLevel = (typeof findingLevels)[number];

export interface Finding {
  /** Which check; several findings may share one. */
  readonly check: string;
  readonly level: FindingLevel;
  /** What was found, with its figures. */
  readonly what: string;
  /** An imperative; absent when nothing is to be done. */
  readonly todo?: string;
}

export function ok(check: string, what: string): Finding {
  return { check, level: "ok", what };
}

/** Something that this user or this runtime may not look at. `what`: the thing. */
export function unseen(check: string, what: string): Finding {
  return {
    check,
    level: "advice",
    what: `${what} cannot be seen with the rights of this command`,
    todo: "run it as root or as the user of the service, and not under Deno's permissions, to have this checked too",
  };
}
