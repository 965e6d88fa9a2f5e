// The frames of a session: greeting, requests, and what comes back. Numbers are those of ZooKeeper's own protocol.
import { limits } from "#shared/limits.ts";
import { JuteError, JuteReader, JuteWriter } from "./jute.ts";

export const opcodes = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  auth: 100,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  close: -11,
  error: -1,
} as const;

/** Numbers of requests that are not operations. */
export const xids = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** Bytes of a session's password. */
const passwordBytes = 16;
/** Of a session that there is not yet. */
const noPassword = new Uint8Array(passwordBytes);

export interface SessionIdentity {
  readonly id: bigint;
  readonly password: Uint8Array;
}

export interface Greeting {
  readonly identity: SessionIdentity;
  /** As the server has decided; 0 or less: that session has expired. */
  readonly timeoutMs: number;
}

/** A length and the record behind it. */
function framed(record: Uint8Array): Uint8Array {
  return new JuteWriter().int(record.length).raw(record).finish();
}

export function encodeConnect(identity: SessionIdentity | undefined, lastZxid: bigint, timeoutMs: number): Uint8Array {
  return framed(
    new JuteWriter()
      .int(0)
      .long(lastZxid)
      .int(timeoutMs)
      .long(identity?.id ?? 0n)
      .buffer(identity?.password ?? noPassword)
      .bool(false)
      .finish(),
  );
}

/** Throws a JuteError. */
export function decodeGreeting(frame: Uint8Array): Greeting {
  const reader = new JuteReader(frame);
  reader.int();
  const timeoutMs = reader.int();
  const id = reader.long();
  const password = reader.buffer();
  if (timeoutMs > 0 && password?.length !== passwordBytes) {
    throw new JuteError(`a session's password of ${password?.length ?? 0} bytes`);
  }
  return { identity: { id, password: password ?? noPassword }, timeoutMs };
}

/** Bytes of a request with that record, without the length in front: what the server's limit is about. */
export function requestBytes(record: Uint8Array): number {
  return 8 + record.length;
}

export function encodeRequest(xid: number, opcode: number, record: Uint8Array): Uint8Array {
  const frame = new Uint8Array(12 + record.length);
  const view = new DataView(frame.buffer);
  view.setInt32(0, requestBytes(record));
  view.setInt32(4, xid);
  view.setInt32(8, opcode);
  frame.set(record, 12);
  return frame;
}

const nothing = new Uint8Array(0);

export function encodePing(): Uint8Array {
  return encodeRequest(xids.ping, opcodes.ping, nothing);
}

export interface Credentials {
  /** Such as "digest". */
  readonly scheme: string;
  /** For "digest": user:password. */
  readonly secret: Uint8Array;
}

export function encodeAuth({ scheme, secret }: Credentials): Uint8Array {
  return encodeRequest(xids.auth, opcodes.auth, new JuteWriter().int(0).string(scheme).buffer(secret).finish());
}

/** Paths of the watches of each kind that a session has. */
export interface WatchedPaths {
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly child: readonly string[];
  readonly persistent: readonly string[];
  readonly recursive: readonly string[];
}

const watchKinds = ["data", "exist", "child", "persistent", "recursive"] as const;

/** As many requests as it takes for each to keep within its bound. None without watches. */
export function encodeSetWatches(lastZxid: bigint, paths: WatchedPaths): readonly Uint8Array[] {
  const frames: Uint8Array[] = [];
  let part = emptyPart();
  let bytes = 0;
  const close = (): void => {
    if (bytes === 0) return;
    const writer = new JuteWriter().long(lastZxid);
    for (const kind of watchKinds) writer.vector(part[kind], (to, path) => to.string(path));
    frames.push(encodeRequest(xids.setWatches, opcodes.setWatches2, writer.finish()));
    part = emptyPart();
    bytes = 0;
  };
  for (const kind of watchKinds) {
    for (const path of paths[kind]) {
      const own = 4 + 3 * path.length; // a character is at most three bytes: pairs of surrogates are not in paths
      if (bytes + own > limits.coordinationWatchBytes - 64) close();
      part[kind].push(path);
      bytes += own;
    }
  }
  close();
  return frames;
}

function emptyPart(): Record<(typeof watchKinds)[number], string[]> {
  return { data: [], exist: [], child: [], persistent: [], recursive: [] };
}

/** What stands before every answer. */
export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  /** 0, or below it. */
  readonly error: number;
}

export function readReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

export type NodeEventType = "created" | "deleted" | "data" | "children";

const eventTypes: Readonly<Record<number, NodeEventType>> = { 1: "created", 2: "deleted", 3: "data", 4: "children" };

/** Undefined for what is about the session instead of a node, or is not known here. */
export function readNotification(
  reader: JuteReader,
): { readonly type: NodeEventType; readonly path: string } | undefined {
  const type = eventTypes[reader.int()];
  reader.int(); // the session's state: whoever reads this is connected
  const path = reader.string();
  return type === undefined ? undefined : { type, path };
}
