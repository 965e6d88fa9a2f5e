// Operations on nodes as requests: what is sent, and how the answer is read. Pure. Paths are the server's: a chroot is in them.
import { JuteError, JuteWriter, type JuteReader } from "./jute.ts";
import { opcodes } from "./protocol.ts";
import { readAcl, readStat, writeAcls, type Acl, type Stat } from "./records.ts";

export interface Request<T> {
  readonly opcode: number;
  readonly record: Uint8Array;
  /** Throws a JuteError. */
  readonly read: (reader: JuteReader) => T;
  /** The result when there is no such node, where that is an answer as well. */
  readonly absent?: { readonly result: T };
}

/**
 * How long a node lives: until it is deleted; with the session that made it (`ephemeral`); until its last child has gone, which the
 * servers look for about once a minute (`container`); until it has not been changed for `ttlMs` and has no children.
 */
export type Lifetime = "persistent" | "ephemeral" | "container" | { readonly ttlMs: number };

export interface NodePlan {
  readonly data: Uint8Array;
  readonly acl: readonly Acl[];
  readonly lifetime: Lifetime;
  /** The server adds ten digits to the path, which grow with every node made under this parent. Not with `container`. */
  readonly sequential: boolean;
}

export interface Created {
  readonly path: string;
  readonly stat: Stat;
}

export interface NodeData {
  readonly data: Uint8Array;
  readonly stat: Stat;
}

export interface NodeChildren {
  /** Names, in no order. */
  readonly children: readonly string[];
  readonly stat: Stat;
}

const noData = new Uint8Array(0);
const readNothing = (): void => undefined;

export function createRequest(path: string, plan: NodePlan): Request<Created> {
  const { opcode, record } = createRecord(path, plan);
  return { opcode, record, read: (reader) => ({ path: reader.string(), stat: readStat(reader) }) };
}

function createRecord(path: string, plan: NodePlan): { readonly opcode: number; readonly record: Uint8Array } {
  const { lifetime, sequential } = plan;
  const writer = new JuteWriter().string(path).buffer(plan.data);
  writeAcls(writer, plan.acl);
  const suffix = sequential ? 1 : 0;
  if (typeof lifetime === "object") {
    const record = writer
      .int(5 + suffix)
      .long(BigInt(lifetime.ttlMs))
      .finish();
    return { opcode: opcodes.createTtl, record };
  }
  if (lifetime === "container") return { opcode: opcodes.createContainer, record: writer.int(4).finish() };
  // 0 persistent, 1 ephemeral, 2 persistent and sequential, 3 ephemeral and sequential.
  const flags = (lifetime === "ephemeral" ? 1 : 0) + 2 * suffix;
  return { opcode: opcodes.create2, record: writer.int(flags).finish() };
}

/** `version` as in `Stat`; -1 for any. */
export function deleteRequest(path: string, version: number): Request<void> {
  return { opcode: opcodes.delete, record: versioned(path, version), read: readNothing };
}

export function setDataRequest(path: string, data: Uint8Array, version: number): Request<Stat> {
  const record = new JuteWriter().string(path).buffer(data).int(version).finish();
  return { opcode: opcodes.setData, record, read: readStat };
}

export function getDataRequest(path: string, watch: boolean): Request<NodeData> {
  return {
    opcode: opcodes.getData,
    record: watched(path, watch),
    read: (reader) => ({ data: reader.buffer() ?? noData, stat: readStat(reader) }),
  };
}

export function existsRequest(path: string, watch: boolean): Request<Stat | undefined> {
  return { opcode: opcodes.exists, record: watched(path, watch), read: readStat, absent: { result: undefined } };
}

export function getChildrenRequest(path: string, watch: boolean): Request<NodeChildren> {
  return {
    opcode: opcodes.getChildren2,
    record: watched(path, watch),
    read: (reader) => ({ children: reader.vector((from) => from.string()), stat: readStat(reader) }),
  };
}

export function getAclRequest(path: string): Request<{ readonly acl: readonly Acl[]; readonly stat: Stat }> {
  return {
    opcode: opcodes.getAcl,
    record: new JuteWriter().string(path).finish(),
    read: (reader) => ({ acl: reader.vector(readAcl), stat: readStat(reader) }),
  };
}

/** `aversion` as in `Stat`; -1 for any. */
export function setAclRequest(path: string, acl: readonly Acl[], aversion: number): Request<Stat> {
  const writer = new JuteWriter().string(path);
  writeAcls(writer, acl);
  return { opcode: opcodes.setAcl, record: writer.int(aversion).finish(), read: readStat };
}

export function syncRequest(path: string): Request<void> {
  return { opcode: opcodes.sync, record: new JuteWriter().string(path).finish(), read: readNothing };
}

export function addWatchRequest(path: string, recursive: boolean): Request<void> {
  const record = new JuteWriter()
    .string(path)
    .int(recursive ? 1 : 0)
    .finish();
  return { opcode: opcodes.addWatch, record, read: readNothing };
}

/** 1 children, 2 data, 3 both: persistent watches are in both. */
export type WatcherType = 1 | 2 | 3;

export function removeWatchesRequest(path: string, type: WatcherType): Request<void> {
  const record = new JuteWriter().string(path).int(type).finish();
  return { opcode: opcodes.removeWatches, record, read: readNothing };
}

export interface Identification {
  readonly scheme: string;
  readonly user: string;
}

/** Who the server takes this session for. */
export function whoAmIRequest(): Request<readonly Identification[]> {
  return {
    opcode: opcodes.whoAmI,
    record: noData,
    read: (reader) => reader.vector((from) => ({ scheme: from.string(), user: from.string() })),
  };
}

/** One operation of a transaction. */
export type MultiOperation =
  | ({ readonly type: "create"; readonly path: string } & NodePlan)
  | { readonly type: "delete"; readonly path: string; readonly version: number }
  | { readonly type: "set"; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly type: "check"; readonly path: string; readonly version: number };

/** What became of one operation: in a transaction that failed, each is `failed`, with 0 for those before the one that was refused. */
export type MultiResult =
  | { readonly type: "created"; readonly path: string; readonly stat: Stat | undefined }
  | { readonly type: "deleted" }
  | { readonly type: "set"; readonly stat: Stat }
  | { readonly type: "checked" }
  | { readonly type: "failed"; readonly error: number };

export function multiRequest(operations: readonly MultiOperation[]): Request<readonly MultiResult[]> {
  const writer = new JuteWriter();
  for (const operation of operations) {
    const { opcode, record } = partOf(operation);
    writer.int(opcode).bool(false).int(-1).raw(record);
  }
  return { opcode: opcodes.multi, record: writer.int(-1).bool(true).int(-1).finish(), read: readMulti };
}

function partOf(operation: MultiOperation): { readonly opcode: number; readonly record: Uint8Array } {
  const { path } = operation;
  switch (operation.type) {
    case "create":
      return createRecord(path, operation);
    case "delete":
      return deleteRequest(path, operation.version);
    case "set":
      return setDataRequest(path, operation.data, operation.version);
    case "check":
      return { opcode: opcodes.check, record: versioned(path, operation.version) };
  }
}

function readMulti(reader: JuteReader): readonly MultiResult[] {
  const results: MultiResult[] = [];
  for (;;) {
    const opcode = reader.int();
    const done = reader.bool();
    reader.int(); // the error, which stands in the result again
    if (done) return results;
    results.push(readMultiResult(opcode, reader));
  }
}

function readMultiResult(opcode: number, reader: JuteReader): MultiResult {
  switch (opcode) {
    case opcodes.create:
      return { type: "created", path: reader.string(), stat: undefined };
    case opcodes.create2:
    case opcodes.createContainer:
    case opcodes.createTtl:
      return { type: "created", path: reader.string(), stat: readStat(reader) };
    case opcodes.delete:
      return { type: "deleted" };
    case opcodes.setData:
      return { type: "set", stat: readStat(reader) };
    case opcodes.check:
      return { type: "checked" };
    case opcodes.error:
      return { type: "failed", error: reader.int() };
    default:
      throw new JuteError(`a result of a transaction of unknown type ${opcode}`);
  }
}

function versioned(path: string, version: number): Uint8Array {
  return new JuteWriter().string(path).int(version).finish();
}

function watched(path: string, watch: boolean): Uint8Array {
  return new JuteWriter().string(path).bool(watch).finish();
}
