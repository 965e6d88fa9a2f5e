// Whether the user of the service may read a file, when root asks: to root everything is readable.
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { textOrNothing } from "./proc-text.ts";

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  /** Groups, those of /etc/group among them. */
  readonly gids: ReadonlySet<number>;
}

export interface FileRights {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
}

const readBit = 4;
const enterBit = 1;

/** The owner of the data directory, when root asks and it is another user; else undefined: then what this user sees is what counts. */
export function serviceUser(dataDir: string): SystemUser | undefined {
  const owner = statSync(dataDir, { throwIfNoEntry: false })?.uid ?? 0;
  if (process.getuid?.() !== 0 || owner === 0) return undefined;
  return userIn(textOrNothing("/etc/passwd") ?? "", textOrNothing("/etc/group") ?? "", owner);
}

/** From texts of passwd(5) and group(5); a user without an entry has no groups. */
export function userIn(passwd: string, group: string, uid: number): SystemUser {
  const [name = `user ${uid}`, , , gid] =
    passwd
      .split("\n")
      .map((line) => line.split(":"))
      .find((fields) => fields[2] === String(uid)) ?? [];
  const others = group
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields[3]?.split(",").includes(name) === true)
    .map((fields) => Number(fields[2]));
  return { name, uid, gids: new Set(gid === undefined ? others : [Number(gid), ...others]) };
}

/** The first of the folders on the way to `path`, or the file itself, that keeps `user` out; undefined when none does. */
export function barrierFor(user: SystemUser, path: string): string | undefined {
  const full = resolve(path);
  for (let folder = dirname(full), ways: string[] = []; ; folder = dirname(folder)) {
    ways = [folder, ...ways];
    if (folder !== dirname(folder)) continue;
    const closed = ways.find((way) => !may(user, statSync(way), enterBit));
    return closed ?? (may(user, statSync(full), readBit) ? undefined : full);
  }
}

/** As the kernel decides: the first of owner, group and others that fits counts. Access lists are not looked at. */
export function may(user: SystemUser, { uid, gid, mode }: FileRights, bit: number): boolean {
  const shift = user.uid === uid ? 6 : user.gids.has(gid) ? 3 : 0;
  return ((mode >> shift) & bit) !== 0;
}
