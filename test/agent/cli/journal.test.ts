import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { journalCommand } from "#agent/cli/journal.ts";
import { decodeCborSequence } from "#shared/cbor.ts";
import { encodeSegment } from "#shared/journal/segment.ts";
import { madeStream, ok, startNodeServer } from "../client/node-server.ts";
import { append, fill, openStore, own } from "../store/salvage-scene.ts";
import { type Bench, type BenchOptions, chunks, createBench } from "./command-bench.ts";

const segments = 20;

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  fill(store, segments);
  store.database.close();
  return folder;
}

/** Starts the next life of the database's numbers, as a salvage does. */
function beginEpoch(folder: string, epoch: number): void {
  {
    using database = new DatabaseSync(join(folder, "fogbank.db"));
    database.exec("DELETE FROM meta WHERE key = 'epoch'");
  }
  const store = openStore(join(folder, "fogbank.db"), epoch);
  append(store, 1);
  store.database.close();
}

async function journal(args: string, options: BenchOptions = {}): Promise<Bench & { readonly code: number }> {
  const bench = createBench(options);
  return { ...bench, code: await bench.run(journalCommand, args.split(" ")) };
}

async function listed(folder: string): Promise<readonly Record<string, unknown>[]> {
  return JSON.parse((await journal(`ls --json --data-dir ${folder}`)).written.stdout) as Record<string, unknown>[];
}

test("ls shows what of each stream is stored", async () => {
  const folder = dataDir();
  expect(await listed(folder)).toEqual([
    {
      origin: "device-1",
      epoch: 9,
      stream: "data",
      priority: 2,
      order: "live-first",
      held: 20,
      heldBytes: expect.any(Number),
      segments: 10,
      oldest: "2026-07-10T12:00:00.021Z",
      newest: "2026-07-10T12:00:00.040Z",
      delivered: 20,
      lost: 5,
      next: 51,
    },
    expect.objectContaining({ origin: "fog-1", epoch: 5, held: 20, delivered: 20, lost: 0, next: 41 }),
  ]);
  const { written, code } = await journal(`ls device-1 --data-dir ${folder}`);
  expect([code, written.stdout.split("\n").length]).toEqual([0, 3]);
  expect(written.stdout).toMatch(/device-1 +9 +data +P2 +live-first +20 .* 10 +20 +5 +2026-07-10 12:00:00Z/);
});

test("a configuration names the data directory as well, and what is none is refused", async () => {
  const folder = dataDir();
  const config = { readFile: () => `data-dir = "${folder}"` };
  expect((await journal("ls --config node.conf", config)).written.stdout).toContain("fog-1");
  const wrong = await journal(`ls --data-dir ${folder}/nowhere`);
  expect([wrong.code, wrong.written.stderr]).toEqual([2, expect.stringContaining("is no data directory of a node")]);
});

test("while the node runs, ls asks it, and the others say that it must be stopped", async () => {
  const folder = dataDir();
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  onTestFinished(() => store.database.close());
  await using server = await startNodeServer({ "/api/v1/accounting?origin=device-1": ok([madeStream({ lost: 3 })]) });
  const told = await journal(`ls device-1 --json --data-dir ${folder} --http ${server.url}`);
  expect(JSON.parse(told.written.stdout)).toMatchObject([{ origin: "device-1", delivered: 1204, lost: 3, next: 1205 }]);
  const asked = await journal(`ls --data-dir ${folder} --http http://127.0.0.1:1`);
  expect([asked.code, asked.written.stderr]).toEqual([3, expect.stringContaining("cannot reach a node")]);
  for (const verb of ["verify", "export --output -", "drop-epoch device-1 9"]) {
    const { code, written } = await journal(`${verb} --data-dir ${folder}`);
    expect([code, written.stderr], verb).toEqual([1, expect.stringContaining("Stop the node first")]);
  }
}, 30_000);

test("verify finds a message that is not as it was stored, and a ledger that does not balance", async () => {
  const folder = dataDir();
  const file = join(folder, "fogbank.db");
  const right = await journal(`verify --data-dir ${folder}`);
  expect([right.code, right.written.stdout]).toEqual([0, "21 segments with 40 messages are as they were stored\n"]);
  {
    using database = new DatabaseSync(file);
    const body = database.prepare("SELECT body FROM segment WHERE origin = 1 AND first = 31").get()?.["body"];
    if (!(body instanceof Uint8Array)) throw new Error("there is a body");
    body[body.length - 1] = 0;
    database.prepare("UPDATE segment SET body = ? WHERE origin = 1 AND first = 31").run(body);
    database.exec("UPDATE stream SET delivered = delivered + 1 WHERE origin = 2");
  }
  const wrong = await journal(`verify --data-dir ${folder}`);
  expect(wrong.code).toBe(1);
  expect(wrong.written.stdout.split("\n")).toEqual([
    "fog-1/data (epoch 5) 31-32: the checksum of its body is another one",
    expect.stringMatching(/^device-1\/data \(epoch 9\): 21 delivered \+ 5 lost \+ 20 held \+ \d+ missing is not 50/),
    "2 faults; the node replaces a damaged database when it starts",
    "",
  ]);
});

test("verify names a page that cannot be read", async () => {
  const folder = dataDir();
  const file = join(folder, "fogbank.db");
  const bytes = readFileSync(file);
  bytes.fill(0xff, bytes.length - 5 * 4096);
  writeFileSync(file, bytes);
  const { code, written } = await journal(`verify --data-dir ${folder}`);
  expect([code, written.stdout]).toEqual([1, expect.stringContaining("cannot be read")]);
});

test("export writes every message once, in the order of its numbers, and leaves the database as it is", async () => {
  const folder = dataDir();
  const before = readFileSync(join(folder, "fogbank.db"));
  const { code, written } = await journal(`export --output - --data-dir ${folder}`);
  const lines = written.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect([code, lines.length]).toEqual([0, 40]);
  expect(lines.map(({ origin, seq }) => `${String(origin)} ${String(seq)}`)).toEqual(
    ["fog-1", "device-1"].flatMap((origin) => Array.from({ length: 20 }, (_, index) => `${origin} ${index + 21}`)),
  );
  expect(lines[0]).toEqual({
    origin: "fog-1",
    epoch: 5,
    stream: "data",
    seq: 21,
    time: "2026-07-10T12:00:00.021Z",
    topic: "/data/x",
    payload: expect.stringMatching(/^fog-1 21 x+$/),
  });
  expect(before.equals(readFileSync(join(folder, "fogbank.db")))).toBe(true);
});

test("export takes one stream, some time, and CBOR; an existing file stays", async () => {
  const folder = dataDir();
  const output = join(folder, "out.cbor");
  const times = "--from 2026-07-10T12:00:00.024Z --to 2026-07-10T12:00:00.030";
  const args = `export device-1 data --format cbor --output ${output} ${times} --data-dir ${folder}`;
  expect((await journal(args)).code).toBe(0);
  const items = decodeCborSequence(readFileSync(output)) as readonly Map<string, unknown>[];
  expect(items.map((item) => item.get("seq"))).toEqual([24, 25, 26, 27, 28, 29]);
  expect(items[0]?.get("timeMs")).toBe(Date.parse("2026-07-10T12:00:00.024Z"));
  expect(items[0]?.get("payload")).toBeInstanceOf(Uint8Array);
  const again = await journal(args);
  expect([again.code, again.written.stderr]).toEqual([2, expect.stringContaining("cannot write a new file")]);
});

test("export finds messages by their times when the clock has gone back, and refuses what is no time", async () => {
  const folder = dataDir();
  const topic = { topic: "/data/x", payload: new Uint8Array(1), retain: false };
  const body = encodeSegment([90_000_000, 80_000_000].map((timeMs) => ({ timeMs, ...topic })));
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  store.write("append", { streamId: 1, items: 2, firstMs: 90_000_000, lastMs: 80_000_000, body });
  store.database.close();
  const seqs = async (times: string) => {
    const { written } = await journal(`export fog-1 --output - ${times} --data-dir ${folder}`);
    return [...written.stdout.matchAll(/"seq":(\d+)/g)].map(([, seq]) => Number(seq));
  };
  expect(await seqs("--from 1970-01-01 --to 1970-01-02")).toEqual([42]);
  expect(await seqs("--from 80000001 --to 90000001")).toEqual([41]);
  expect(await seqs("--from 80000000 --to 90000000")).toEqual([42]);
  const bad = await journal(`export --output - --from yesterday --data-dir ${folder}`);
  expect([bad.code, bad.written.stderr]).toEqual([1, expect.stringContaining("give ISO 8601")]);
});

test("an export that cannot read all says so, and writes the rest", async () => {
  const folder = dataDir();
  {
    using database = new DatabaseSync(join(folder, "fogbank.db"));
    database.exec("UPDATE segment SET body = x'ff' WHERE first = 31 AND origin = 1");
  }
  const output = join(folder, "out.json");
  const { code, written } = await journal(`export fog-1 --output ${output} --data-dir ${folder}`);
  expect([code, written.stderr]).toEqual([1, expect.stringContaining("2 messages cannot be read")]);
  expect(readFileSync(output, "utf8").trimEnd().split("\n").length).toBe(18);
  const { code: stopped } = await interrupted(`export --output ${output}2 --data-dir ${folder}`);
  expect([stopped, existsSync(`${output}2`)]).toEqual([130, false]);
});

async function interrupted(args: string): Promise<{ readonly code: number }> {
  const bench = createBench();
  bench.interrupt();
  return { code: await bench.run(journalCommand, args.split(" ")) };
}

test("drop-epoch refuses the current epoch and one that holds data, and forgets one that is empty", async () => {
  const folder = dataDir();
  const drop = (args: string, options?: BenchOptions) => journal(`drop-epoch ${args} --data-dir ${folder}`, options);
  expect((await drop("fog-1 5 --yes")).written.stderr).toContain("is the current one");
  expect((await drop("fog-1 5 --yes --force")).written.stderr).toContain("is the current one of this node");
  expect((await drop("device-1 9 --yes")).written.stderr).toContain("give --force if device-1 is gone for good");
  expect((await drop("fog-1 77 --yes")).written.stderr).toContain("nothing is known of epoch 77 of fog-1");
  beginEpoch(folder, 6);
  const held = await drop("fog-1 5 --yes");
  expect([held.code, held.written.stderr]).toEqual([2, expect.stringContaining("still holds 20 messages")]);
  expect((await drop("fog-1 5 --force")).written.stderr).toContain("Give --yes");

  expect((await drop("fog-1 5 --force --yes")).written.stdout).toContain("20 messages of epoch 5 of fog-1 are named");
  expect((await journal(`verify --data-dir ${folder}`)).code).toBe(0);
  const waiting = await drop("fog-1 5 --yes");
  expect(waiting.written.stderr).toContain("still holds 10 gaps that have not been handed on");
  const store = openStore(join(folder, "fogbank.db"), 6);
  const gaps = store
    .read("after", { id: 0, bytesMax: 1e9 })
    .segments.filter(({ origin, epoch }) => origin === "fog-1" && epoch === 5);
  expect(new Set(gaps.map(({ body, gap }) => [body, gap?.reasonCode].join()))).toEqual(new Set([",4"]));
  store.write("forget", { acked: [{ origin: "fog-1", epoch: 5, streamId: 1, ranges: [[1, 40]] }] });
  store.database.close();

  const askSecret = async (): Promise<string> => "";
  const no = await drop("fog-1 5", { askSecret, stdin: chunks("no\n") });
  expect([no.code, no.written.stderr]).toEqual([2, expect.stringContaining("nothing was changed")]);
  expect((await drop("fog-1 5", { askSecret, stdin: chunks("yes\n") })).written.stdout).toBe(
    "forgot epoch 5 of fog-1\n",
  );
  expect((await listed(folder)).map(({ origin, epoch }) => [origin, epoch])).toEqual([
    ["device-1", 9],
    ["fog-1", 6],
  ]);
});

test("drop-epoch forgets the last epoch of another node that is gone, once its messages are named as lost", async () => {
  const folder = dataDir();
  const drop = () => journal(`drop-epoch device-1 9 --force --yes --data-dir ${folder}`);
  expect((await drop()).written.stdout).toContain("20 messages of epoch 9 of device-1 are named as lost");
  expect((await drop()).written.stderr).toContain("gaps that have not been handed on");
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  store.write("forget", { acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 50]] }] });
  store.database.close();
  expect((await drop()).written.stdout).toBe("forgot epoch 9 of device-1\n");
  expect((await listed(folder)).map(({ origin }) => origin)).toEqual(["fog-1"]);
});

test("[O3] an epoch of another node that was dropped and is named again: what had come of it is not missing", async () => {
  const folder = dataDir();
  const drop = () => journal(`drop-epoch device-1 9 --force --yes --data-dir ${folder}`);
  await drop();
  const store = openStore(join(folder, "fogbank.db"), own.epoch);
  store.write("forget", { acked: [{ origin: "device-1", epoch: 9, streamId: 1, ranges: [[1, 50]] }] });
  const [before] = store.read("accounting", { origin: "device-1" });
  store.database.close();
  await drop();
  const again = openStore(join(folder, "fogbank.db"), own.epoch);
  const traits = { priority: 2, class: "custody", order: "live-first", policy: "oldest" } as const;
  const hear = (high: number) => {
    const streams = [{ origin: "device-1", epoch: 9, streamId: 1, name: "data", high, ...traits }];
    again.write("hear", { child: "device-1", streams, lows: [], nowMs: 5 });
    return again.read("accounting", { origin: "device-1" });
  };
  expect(hear(45)).toEqual([]);
  const { high = 0, delivered, lost, ranges } = before?.row ?? {};
  expect(delivered).toBeGreaterThan(0);
  expect(hear(high)).toMatchObject([{ row: { high, delivered, lost, ranges } }]);
  again.database.close();
});
