// A node's database with something in every table, made through the node's own operations, and what can be said about it afterwards.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openNodeDatabase, type NodeDatabase } from "#agent/store/node-database.ts";
import type { Opened } from "#agent/store/identity-operations.ts";
import type { NodeReads, NodeWrites } from "#agent/store/node-operations.ts";
import type { SalvageReport } from "#agent/store/salvage.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment, segmentFlags } from "#shared/journal/segment.ts";
import { encodeSpooled } from "#shared/mqtt/spool.ts";
import type { WireSegment } from "#shared/link/frames.ts";
import { messageOf, progress, put, received, spoolsOf, subscribe } from "../../fakes/session-store-scene.ts";

const nowMs = Date.parse("2026-07-10T12:00:00Z");
export const own = { name: "fog-1", epoch: 5 };
const child = { name: "device-1", epoch: 9 };
const itemsPerSegment = 2;

export interface OpenStore {
  readonly file: string;
  readonly database: NodeDatabase;
  readonly opened: Opened;
  readonly reports: readonly SalvageReport[];
  write<Name extends keyof NodeWrites>(name: Name, args: Parameters<NodeWrites[Name]>[0]): ReturnType<NodeWrites[Name]>;
  read<Name extends keyof NodeReads>(name: Name, args: Parameters<NodeReads[Name]>[0]): ReturnType<NodeReads[Name]>;
}

/** Opens the database of `fog-1`, as a start of the node does; `epoch` is used where the file has none. */
export function openStore(file: string, epoch: number): OpenStore {
  const reports: SalvageReport[] = [];
  const clock = { now: () => nowMs, monotonic: () => 0 };
  const database = openNodeDatabase(
    { hasher: nodeHasher, clock, onSalvaged: (report) => reports.push(report) },
    { name: parseNodeName(own.name), file, maxBytes: 1e9, isFinal: false },
  );
  const write: OpenStore["write"] = (name, args) => {
    const [outcome] = commit(database, name, args);
    if (outcome === undefined || "error" in outcome) throw new Error("the write failed", { cause: outcome?.error });
    return outcome.value as never;
  };
  const read: OpenStore["read"] = (name, args) => database.read({ name, args }) as never;
  const opened = write("open", {
    fresh: { uuid: `uuid-${epoch}`, epoch, instance: epoch + 1 },
    streams: [{ name: "data", priority: 2, class: "custody", order: "live-first", policy: "oldest", share: 1 }],
    nowMs,
    idsAbove: 0,
  });
  return { file, database, opened, reports, write, read };
}

/** A store that finds its damage is closed, as its process ends. */
function commit(database: NodeDatabase, name: string, args: unknown): ReturnType<NodeDatabase["commit"]> {
  try {
    return database.commit([{ name, args }]);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Numbers first…last of `device-1`. */
export function childSegment(first: number, last: number, payloadBytes = 20): WireSegment {
  const body = bodyOf(child.name, first, last - first + 1, payloadBytes);
  return {
    origin: child.name,
    epoch: child.epoch,
    streamId: 1,
    first,
    items: last - first + 1,
    firstMs: nowMs + first,
    lastMs: nowMs + last,
    flags: 0,
    crc: nodeHasher.crc32(body),
    body,
    gap: undefined,
  };
}

export function ingest(store: OpenStore, high: number, segments: readonly WireSegment[]): void {
  const streams = [
    {
      origin: child.name,
      epoch: child.epoch,
      streamId: 1,
      name: "data",
      priority: 2,
      class: "custody",
      order: "live-first",
      policy: "oldest",
      high,
    } as const,
  ];
  store.write("ingest", { child: child.name, batch: { streams, lows: [], segments }, nowMs });
}

export function append(store: OpenStore, number: number, payloadBytes = 20): void {
  const body = bodyOf(own.name, number, itemsPerSegment, payloadBytes);
  const times = { firstMs: nowMs + number, lastMs: nowMs + number };
  store.write("append", { streamId: 1, items: itemsPerSegment, ...times, body });
}

/** Every message says in its payload which one it is. */
function bodyOf(origin: string, first: number, items: number, payloadBytes: number): Uint8Array {
  const text = (number: number): string => `${origin} ${number} ${"x".repeat(payloadBytes)}`;
  return encodeSegment(
    Array.from({ length: items }, (_, index) => ({
      timeMs: nowMs + first + index,
      topic: "/data/x",
      payload: new TextEncoder().encode(text(first + index)),
      retain: false,
    })),
  );
}

/** Streams of the node and of a child, some delivered, gaps, sessions with queues, and the rest. */
export function fill(store: OpenStore, segments: number, beforeForget: () => void = () => undefined): void {
  for (let index = 0; index < segments; index++) {
    const number = index * itemsPerSegment + 1;
    const payloadBytes = index % 40 === 7 ? 9_000 : 20 + ((index * 37) % 300);
    append(store, number, payloadBytes);
    ingest(store, number + 3, [childSegment(number, number + 1, payloadBytes)]);
  }
  const half = segments; // of the numbers
  const gap = { ...childSegment(2 * segments + 1, 2 * segments + 1), items: 5, flags: segmentFlags.gap };
  ingest(store, 2 * segments + 10, [{ ...gap, body: null, crc: 0, gap: { reasonCode: 1, bytes: 77 } }]);
  beforeForget();
  store.write("forget", {
    acked: [
      { origin: own.name, epoch: own.epoch, streamId: 1, ranges: [[1, half]] },
      { origin: child.name, epoch: child.epoch, streamId: 1, ranges: [[1, half]] },
    ],
  });
  const place = { level: "device", zone: undefined, tags: [] } as const;
  store.write("putChild", {
    child: { name: parseNodeName(child.name), uuid: "c", session: 1, conn: 1, place, state: "online", sinceMs: nowMs },
  });
  for (let index = 0; index < 50; index++) {
    const id = new Uint8Array(16).fill(index);
    store.write("remember", { id, deadlineMs: nowMs + 1e6, nowMs });
    store.write("keepMessage", { id, deadlineMs: nowMs + 1e6, body: new Uint8Array(100).fill(index) });
  }
  fillSessions(store);
}

function fillSessions(store: OpenStore): void {
  for (let id = 1; id <= 12; id++) {
    const changes = [put(id), subscribe(id, `a/${id}`, {}), received(id, id)];
    const retained = { topic: `r/${id}`, message: encodeSpooled({ ...messageOf(40), topic: `r/${id}` }) };
    store.write("sessions", { changes, spools: [], retained: [retained] });
  }
  for (let number = 1; number <= 60; number++) {
    const spools = spoolsOf(((number - 1) % 12) + 1, Math.ceil(number / 12), 1, { payloadBytes: 60 + number * 5 });
    store.write("sessions", { changes: [], spools, retained: [] });
  }
  store.write("sessions", { changes: [progress(1, { cursor: 2 })], spools: [], retained: [] });
}

/** What a database file holds, read without the node. */
export interface Snapshot {
  /** Bodies of segments by `origin/epoch/stream/first`; null for a gap. */
  readonly segments: ReadonlyMap<string, Uint8Array | null>;
}

export function snapshotOf(file: string): Snapshot {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = database
    .prepare(
      "SELECT o.node, o.epoch, g.stream, g.first, g.body FROM segment g JOIN origin o ON o.id = g.origin ORDER BY g.id",
    )
    .all();
  return {
    segments: new Map(
      rows.map(({ node, epoch, stream, first, body }) => [
        [node, epoch, stream, first].map(String).join("/"),
        body instanceof Uint8Array ? body : null,
      ]),
    ),
  };
}

/** The files of a database as a crash leaves them, to be damaged and put somewhere. */
export function filesOf(folder: string, name: string): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(folder).filter((entry) => [name, `${name}-wal`].includes(entry));
  return new Map(names.map((entry) => [entry.slice(name.length), new Uint8Array(readFileSync(join(folder, entry)))]));
}

export function putFiles(folder: string, name: string, files: ReadonlyMap<string, Uint8Array>): string {
  for (const [suffix, bytes] of files) writeFileSync(join(folder, name + suffix), bytes);
  return join(folder, name);
}
