// The records that several operations share, and their encodings.
import type { JuteReader, JuteWriter } from "./jute.ts";

/** What a server knows about a node. Times are milliseconds since 1970 by the server's clock; zxids number the ensemble's changes. */
export interface Stat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  /** Changes of the data; 0 for a node that was never set after its creation. */
  readonly version: number;
  /** Changes of the set of children. */
  readonly cversion: number;
  /** Changes of the access control list. */
  readonly aversion: number;
  /** The session that an ephemeral node ends with; 0n for others, but for container and TTL nodes, which keep their kind there. */
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: bigint;
}

export interface Acl {
  /** The sum of `permissions`. */
  readonly perms: number;
  readonly scheme: string;
  readonly id: string;
}

export const permissions = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

/** Anybody may do anything. */
export const openAcl: readonly Acl[] = [{ perms: permissions.all, scheme: "world", id: "anyone" }];
/** Only whoever has the credentials of the session that makes the node. */
export const creatorAcl: readonly Acl[] = [{ perms: permissions.all, scheme: "auth", id: "" }];

export function readStat(reader: JuteReader): Stat {
  return {
    czxid: reader.long(),
    mzxid: reader.long(),
    ctimeMs: Number(reader.long()),
    mtimeMs: Number(reader.long()),
    version: reader.int(),
    cversion: reader.int(),
    aversion: reader.int(),
    ephemeralOwner: reader.long(),
    dataLength: reader.int(),
    numChildren: reader.int(),
    pzxid: reader.long(),
  };
}

export function readAcl(reader: JuteReader): Acl {
  return { perms: reader.int(), scheme: reader.string(), id: reader.string() };
}

export function writeAcls(writer: JuteWriter, acls: readonly Acl[]): void {
  writer.vector(acls, (to, { perms, scheme, id }) => to.int(perms).string(scheme).string(id));
}
