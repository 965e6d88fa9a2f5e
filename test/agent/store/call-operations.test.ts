// Calls and events that are kept, in a database that is full, or on a disk that is.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { OwnStream } from "#agent/store/identity-operations.ts";
import { openNodeDatabase, type NodeDatabase } from "#agent/store/node-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

const name = parseNodeName("node-1");

function open(file: string, maxBytes: number): NodeDatabase {
  const database = openNodeDatabase(
    { hasher: nodeHasher, clock: new FakeClock() },
    { name, file, maxBytes, isFinal: false },
  );
  const streams: readonly OwnStream[] = [
    { name: "data", priority: 2, class: "custody", order: "live-first", policy: "newest" },
  ];
  database.commit([
    { name: "open", args: { fresh: { uuid: "u", epoch: 5, instance: 6 }, streams, nowMs: 1, idsAbove: 0 } },
  ]);
  return database;
}

function inFolder(maxBytes: number): { readonly database: NodeDatabase; readonly again: () => NodeDatabase } {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-calls-"));
  let database = open(join(folder, "node.db"), maxBytes);
  onTestFinished(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });
  const again = (): NodeDatabase => {
    database.close();
    return (database = open(join(folder, "node.db"), maxBytes));
  };
  return { database, again };
}

/** Undefined, or the message of the error. */
function refusalOf(database: NodeDatabase, write: string, args: object): string | undefined {
  const [outcome] = database.commit([{ name: write, args }]);
  return outcome !== undefined && "error" in outcome ? String(outcome.error) : undefined;
}

const idOf = (number: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, at) => (number >> (8 * at)) & 0xff);
const keep = (number: number, fill = 1) => ({
  id: idOf(number),
  body: new Uint8Array(4_000).fill(fill),
  deadlineMs: 9,
});

function keptIn(database: NodeDatabase): number {
  return (database.read({ name: "openMessages", args: { after: new Uint8Array(0) } }) as readonly Uint8Array[]).length;
}

test("a full database keeps calls in the room for deletes, leaves enough of it, and says why it takes no more; drained, it takes them again", () => {
  const { database, again } = inFolder(2 * 1024 * 1024);
  let appended = 0;
  for (;;) {
    const body = encodeSegment([{ timeMs: 1, topic: "t", payload: new Uint8Array(2_000), retain: false }]);
    const refused = refusalOf(database, "append", { streamId: 1, items: 1, firstMs: 1, lastMs: 1, body });
    if (refused !== undefined) {
      expect(refused).toContain("has reached its limit");
      break;
    }
    appended++;
  }
  let kept = 0;
  let refused: string | undefined;
  while (kept < 100 && refused === undefined) {
    refused = refusalOf(database, "keepMessage", keep(kept));
    if (refused === undefined) kept++;
  }
  expect(kept).toBeGreaterThan(3);
  expect(refused).toContain("could not keep a call or an event: the database has reached its limit of 2097152 bytes");
  // What is kept may change, and nothing of it is lost.
  expect(refusalOf(database, "keepMessage", keep(0, 2))).toBeUndefined();
  expect(keptIn(database)).toBe(kept);
  const reopened = again();
  expect(keptIn(reopened)).toBe(kept);
  // The room that is left is for this.
  const acked = [{ origin: name, epoch: 5, streamId: 1, ranges: [[1, appended]] }];
  expect(refusalOf(reopened, "forget", { acked })).toBeUndefined();
  for (let number = kept; number < kept + 3; number++)
    expect(refusalOf(reopened, "keepMessage", keep(number))).toBeUndefined();
  expect(keptIn(reopened)).toBe(kept + 3);
});

test("of a small database the ids of calls take a sixteenth; unexpired ones are not given up for new ones", () => {
  const maxBytes = 1024 * 1024;
  const { database } = inFolder(maxBytes);
  const countMax = Math.floor((maxBytes * limits.seenCallShare) / limits.seenCallBytes);
  expect(countMax).toBeLessThan(1_000);
  const remember = (number: number, nowMs: number): unknown => {
    const [outcome] = database.commit([
      { name: "remember", args: { id: idOf(number), deadlineMs: nowMs + 1_000, nowMs } },
    ]);
    return outcome !== undefined && "value" in outcome ? outcome.value : outcome;
  };
  const answers = Array.from({ length: countMax }, (_, number) => remember(number, 0));
  expect(new Set(answers)).toEqual(new Set(["new"]));
  expect(remember(countMax, 0)).toBe("full");
  expect(remember(7, 0)).toEqual({ outcome: null });
  expect(remember(countMax, 1_000_000)).toBe("new");
});
