// How often nodes have found out, in one history, that their database may not be the only one of its kind: by what, and of which epoch.
import type { SilentLogger } from "../fakes/silent-logger.ts";

export const identityPaths = [
  /** R0: the system says that the machine was started anew, or that the file is another one. */
  "reboot",
  "other file",
  /** R1: the parent has numbers of the present epoch, or of an earlier one, that this database cannot have sent. */
  "older copy",
  "older copy, earlier epoch",
  /** R2: it has other messages under the same numbers. */
  "clone",
] as const;

export type IdentityPath = (typeof identityPaths)[number];

export function identityPathsIn({ lines }: SilentLogger): Readonly<Partial<Record<IdentityPath, number>>> {
  const counts: Partial<Record<IdentityPath, number>> = {};
  for (const { phrase, fields } of lines) {
    const path = pathOf(phrase, fields);
    if (path !== undefined) counts[path] = (counts[path] ?? 0) + 1;
  }
  return counts;
}

function pathOf(phrase: string, fields: object): IdentityPath | undefined {
  if (phrase.startsWith("the machine was started anew")) return "reboot";
  if (phrase.startsWith("the database was moved, copied or restored")) return "other file";
  if (phrase !== "this database has taken a new epoch") return undefined;
  const { fault, epoch, faultOf } = fields as Record<string, unknown>;
  if (fault === "clone") return "clone";
  return epoch === faultOf ? "older copy" : "older copy, earlier epoch";
}
