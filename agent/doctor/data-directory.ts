// Whether the data directory is there, writable, and of one owner.
import { type Finding, ok, unseen } from "./finding.ts";

export interface DataDirectoryFacts {
  readonly path: string;
  /** `above`: it is not there; `place` is the nearest folder above it. `hidden`: this user may not look into what is above it. */
  readonly state: "there" | "above" | "hidden" | "file";
  readonly place: string;
  /** Whether this user may write in `place`. */
  readonly isWritable: boolean;
  /** Names of this user, and of the owner of the folder. */
  readonly user: string;
  readonly owner: string;
  /** Permission bits. */
  readonly mode: number;
  /** Files in it that belong to somebody else. */
  readonly strangers: readonly { readonly name: string; readonly owner: string }[];
  /** The process that has the database locked, when that is known. */
  readonly lockedBy:
    | { readonly pid: number; readonly program: string | undefined; readonly isNode: boolean }
    | undefined;
}

const check = "data-dir";

export function judgeDataDirectory(facts: DataDirectoryFacts): readonly Finding[] {
  const { path, state, place, isWritable, user, owner, lockedBy } = facts;
  switch (state) {
    case "hidden":
      return [unseen(check, path)];
    case "file":
      return [{ check, level: "problem", what: `${place} is no folder`, todo: "set data-dir to a folder" }];
    case "above":
      if (isWritable) return [ok(check, `${path} is made at the first start (this user may write in ${place})`)];
      return [
        {
          check,
          level: "problem",
          what: `${path} is not there, and ${user} may not write in ${place}`,
          todo: `make it as root and give it to the node's user: install -d -m 750 -o USER ${path}`,
        },
      ];
    case "there": {
      const findings = judgeRights(facts);
      if (findings.length > 0) return findings;
      const use =
        lockedBy === undefined
          ? ""
          : `, in use by ${lockedBy.isNode ? "this node" : (lockedBy.program ?? "a process")} (pid ${lockedBy.pid})`;
      return [ok(check, `${path} belongs to ${owner}${isWritable ? "" : `, and ${user} may not write there`}${use}`)];
    }
  }
}

function judgeRights({
  path,
  isWritable,
  user,
  owner,
  mode,
  strangers,
  lockedBy,
}: DataDirectoryFacts): readonly Finding[] {
  const findings: Finding[] = [];
  if (!isWritable && lockedBy === undefined) {
    findings.push({
      check,
      level: user === owner ? "problem" : "warning",
      what: `${path} belongs to ${owner}, and ${user} may not write there`,
      todo:
        user === owner
          ? `chmod u+rwx ${path}`
          : `run the node as ${owner}, or give the folder to its user: chown -R USER ${path}`,
    });
  }
  const [first] = strangers;
  if (first !== undefined) {
    findings.push({
      check,
      level: "warning",
      what: `${first.name} belongs to ${first.owner}, and ${path} to ${owner}: the node was run as ${first.owner} once`,
      todo: `stop the node, then: chown -R ${owner} ${path}`,
    });
  }
  if ((mode & 0o007) !== 0) {
    findings.push({
      check,
      level: (mode & 0o002) === 0 ? "advice" : "warning",
      what: `everybody on this machine may ${(mode & 0o002) === 0 ? "look into" : "change"} ${path}`,
      todo: `chmod 750 ${path}`,
    });
  }
  if (lockedBy !== undefined && !lockedBy.isNode) {
    findings.push({
      check,
      level: "advice",
      what: `${path} is in use by ${lockedBy.program ?? "a process"} (pid ${lockedBy.pid}), which does not answer as this node`,
      todo: "if that is not its node, stop it: one process at a time can have the data",
    });
  }
  return findings;
}
