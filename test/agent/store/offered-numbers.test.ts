// Which own numbers others can have of this database.
import { afterEach, expect, test } from "vitest";
import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "#agent/store/database.ts";
import { nodeMigrations } from "#agent/store/node-migrations.ts";
import { createNodeOperations } from "#agent/store/node-operations.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeSegment } from "#shared/journal/segment.ts";

const databases: DatabaseSync[] = [];
afterEach(() => {
  for (const database of databases.splice(0)) database.close();
});

/** A database that is opened again and again; each boot of the machine begins an epoch of its own. */
function scene() {
  const database = openDatabase(":memory:", { migrations: nodeMigrations, cacheBytes: 1_000_000 });
  databases.push(database);
  const node = createNodeOperations(database, parseNodeName("device-1"), nodeHasher);
  const body = encodeSegment([{ timeMs: 1, topic: "/data/x", payload: Uint8Array.of(1), retain: false }]);
  return {
    database,
    start: (epoch: number, names: readonly string[] = ["data"]) =>
      node.writes.open({
        fresh: { uuid: "u", epoch, instance: epoch },
        fingerprint: { bootId: `boot ${epoch}`, file: undefined, birth: undefined },
        streams: names.map((name) => ({ name, priority: 2, class: "custody", order: "live-first", policy: "oldest" })),
        nowMs: 1,
        idsAbove: 0,
      }),
    append: (count: number, streamId = 1) => {
      for (let at = 0; at < count; at++) node.writes.append({ streamId, items: 1, firstMs: 1, lastMs: 1, body });
    },
    meet: () => node.writes.meet({ parent: "fog-1", instance: 1 }),
    /** By stream, the highest number that was given and the highest that others can have. */
    numbers: (epoch: number) =>
      node.reads
        .evidence({ holds: [{ epoch, streamId: 1, ranges: [] }] })
        .own.map(({ high, offered }) => [high, offered]),
  };
}

test("[O10] what was numbered before a start can have been sent, what is numbered after it only once a parent is met", () => {
  const node = scene();
  node.start(5);
  node.meet();
  node.append(3);
  expect(node.numbers(5)).toEqual([[3, 3]]);
  node.start(5);
  node.append(2);
  expect(node.numbers(5)).toEqual([[5, 3]]);
  node.meet();
  expect(node.numbers(5)).toEqual([[5, 5]]);
});

test("[O10] further starts without a parent change nothing in that, nor does an epoch that begins meanwhile", () => {
  const node = scene();
  node.start(5);
  node.meet();
  node.append(3);
  for (let start = 0; start < 3; start++) {
    node.start(5);
    node.append(2);
  }
  node.start(6);
  node.append(1);
  node.start(6);
  expect([node.numbers(5), node.numbers(6)]).toEqual([[[9, 3]], [[1, 0]]]);
  node.meet();
  expect([node.numbers(5), node.numbers(6)]).toEqual([[[9, 9]], [[1, 1]]]);
});

test("a stream that is configured while there is no parent has sent nothing", () => {
  const node = scene();
  node.start(5);
  node.append(3);
  node.start(5, ["data", "alarms"]);
  node.append(2, 2);
  node.start(5, ["data", "alarms"]);
  expect(node.numbers(5)).toEqual([
    [3, 0],
    [2, 0],
  ]);
});

test.each(["", "[", "{}", "[[5,1]]", '[[5,1,"x"]]', "[null]"])("a note that is damaged (%j) is no evidence", (text) => {
  const node = scene();
  node.start(5);
  node.append(3);
  node.database.prepare("UPDATE meta SET value = ? WHERE key = 'offered'").run(text);
  expect(node.numbers(5)).toEqual([[3, 3]]);
  node.start(5);
  expect(node.numbers(5)).toHaveLength(1);
});
