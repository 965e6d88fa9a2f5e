// What a process did with its sockets and its database, in order: builds io-trace.c, and reads what it wrote.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parser as createParser, type Packet } from "mqtt-packet";

/** One call. `begin` and `end` count through all calls of the process: a call with an end below another's begin was over by then. */
export interface IoCall {
  readonly kind: "read" | "write" | "sync";
  /** A file's name, or "tcp local-port peer-port". */
  readonly target: string;
  readonly begin: number;
  /** Undefined when the process ended first. */
  readonly end: number | undefined;
  /** Read, or written as far as the system took them. */
  readonly bytes: Buffer;
  readonly result: number;
}

/** A packet of a connection, and the call that carried its last byte. */
export interface TracedPacket {
  readonly packet: Packet;
  readonly call: IoCall;
}

export interface TracedConnection {
  readonly clientId: string;
  /** From the client. */
  readonly received: readonly TracedPacket[];
  /** To the client. */
  readonly sent: readonly TracedPacket[];
}

const source = fileURLToPath(new URL("io-trace.c", import.meta.url));
const recordBytes = 72;
const kinds = { r: "read", w: "write", s: "sync" } as const;

/** Undefined when there is a C compiler; else why nothing can be traced. */
export function whyNoTrace(): string | undefined {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "skipped: calls can only be traced where there is a C compiler that is called cc";
  }
}

/** The environment in which a process writes its trace to `file`. */
export function traceEnvironment(folder: string, file: string): Readonly<Record<string, string>> {
  const library = join(folder, "io-trace.so");
  execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"]);
  const others = process.env["LD_PRELOAD"] ?? "";
  return { LD_PRELOAD: others === "" ? library : `${library}:${others}`, IO_TRACE: file };
}

/** In the order in which they began. */
export function readTrace(file: string): readonly IoCall[] {
  const trace = readFileSync(file);
  const calls = new Map<bigint, IoCall>();
  for (let at = 0, order = 1; at + recordBytes <= trace.length; order++) {
    const id = trace.readBigUInt64LE(at);
    const result = Number(trace.readBigInt64LE(at + 8));
    const size = trace.readUInt32LE(at + 16);
    const phase = trace.toString("latin1", at + 20, at + 21);
    const letter = trace.toString("latin1", at + 21, at + 22);
    const name = trace.toString("latin1", at + 22, at + recordBytes);
    const bytes = trace.subarray(at + recordBytes, at + recordBytes + size);
    at += recordBytes + size;
    const known = calls.get(id);
    if (phase === "b") {
      const kind = kinds[letter as keyof typeof kinds];
      calls.set(id, { kind, target: name.slice(0, name.indexOf("\0")), begin: order, end: undefined, bytes, result });
    } else if (known !== undefined) {
      const carried = known.kind === "read" ? bytes : known.bytes.subarray(0, Math.max(0, result));
      calls.set(id, { ...known, end: order, bytes: carried, result });
    }
  }
  return [...calls.values()];
}

/** Connections of MQTT clients to `port`. */
export function connectionsOf(calls: readonly IoCall[], port: number): readonly TracedConnection[] {
  const targets = new Set(calls.map(({ target }) => target).filter((target) => target.startsWith(`tcp ${port} `)));
  return [...targets].flatMap((target) => {
    const own = calls.filter((call) => call.target === target);
    const [connect] = packetsOf(own, "read", 4);
    if (connect?.packet.cmd !== "connect") return [];
    const { clientId, protocolVersion = 4 } = connect.packet;
    return [
      { clientId, received: packetsOf(own, "read", protocolVersion), sent: packetsOf(own, "write", protocolVersion) },
    ];
  });
}

function packetsOf(calls: readonly IoCall[], kind: "read" | "write", protocolVersion: number): readonly TracedPacket[] {
  const found: TracedPacket[] = [];
  let pending = Buffer.alloc(0);
  for (const call of calls) {
    if (call.kind !== kind) continue;
    pending = Buffer.concat([pending, call.bytes]);
    for (let size = packetSize(pending); size !== undefined; size = packetSize(pending)) {
      const parser = createParser({ protocolVersion });
      parser.on("packet", (packet) => found.push({ packet, call }));
      parser.parse(pending.subarray(0, size));
      pending = pending.subarray(size);
    }
  }
  return found;
}

/** Bytes of the first packet, if it is all there. */
function packetSize(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at < 5; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) return bytes.length < at + 1 + length ? undefined : at + 1 + length;
  }
  return undefined;
}
