// Who listens on a TCP port, from /proc: the tables of sockets give an inode and a user, the descriptors of processes the inode's owner.
import { readdirSync, readlinkSync } from "node:fs";
import { programOf, textOrNothing, userName } from "./proc-text.ts";

export interface Listening {
  readonly inode: string;
  readonly uid: number;
}

export interface FoundHolder {
  /** Undefined when its process belongs to somebody else and this user may not look at it. */
  readonly pid?: number;
  readonly program?: string;
  readonly user: string;
}

/** Undefined when /proc does not tell. */
export function findPortHolder(host: string, port: number): FoundHolder | undefined {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => textOrNothing(file) ?? "").join("\n");
  const socket = listeningIn(tables, host, port);
  if (socket === undefined) return undefined;
  const user = userName(socket.uid);
  const pid = processWith(`socket:[${socket.inode}]`);
  if (pid === undefined) return { user };
  const program = programOf(pid);
  return { pid, user, ...(program !== undefined && { program }) };
}

/** The socket in `tables` (of /proc/net/tcp and tcp6) that stands in the way of a listener: at that address, or at all of them. */
export function listeningIn(tables: string, host: string, port: number): Listening | undefined {
  const wanted = localAddress(host);
  const found = tables
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => state === "0A" && Number.parseInt(local.split(":")[1] ?? "", 16) === port)
    .map(([, local = "", , , , , , uid, , inode = ""]) => ({
      address: local.split(":")[0] ?? "",
      uid: Number(uid),
      inode,
    }));
  const isAny = (address: string): boolean => /^0+$/.test(address);
  const best =
    found.find(({ address }) => address === wanted) ??
    found.find(({ address }) => isAny(address) || wanted === undefined || isAny(wanted));
  return best && { inode: best.inode, uid: best.uid };
}

/** As the tables write it, on a little-endian machine; undefined where that is not worked out. */
function localAddress(host: string): string | undefined {
  const name = host === "localhost" ? "127.0.0.1" : host;
  if (name === "::") return "0".repeat(32);
  if (name === "::1") return `${"0".repeat(24)}01000000`;
  const bytes = name.split(".").map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte))) return undefined;
  return bytes
    .toReversed()
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
}

/** The first process that has a descriptor on `target`. */
function processWith(target: string): number | undefined {
  for (const name of namesIn("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const folder = `/proc/${name}/fd`;
    if (namesIn(folder).some((fd) => linkOf(`${folder}/${fd}`) === target)) return Number(name);
  }
  return undefined;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // of another user, or gone meanwhile
  }
}

function linkOf(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}
