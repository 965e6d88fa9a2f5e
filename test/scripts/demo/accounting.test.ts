import { expect, test } from "vitest";
import { countDevice, totalOf, type DeviceEvidence } from "../../../scripts/demo/accounting.ts";
import type { LedgerEntry, StoredRow } from "../../../scripts/demo/node-api.ts";

const time = "2026-01-01T00:00:00.000Z";

function line(value: number): string {
  return `${time}\t/data/host/cpu/load\t{"v":${value}}`;
}

function row(seq: number, change: Partial<StoredRow> = {}): StoredRow {
  const payload = `{"v":${seq}}`;
  return {
    cursor: seq,
    origin: "device-1",
    epoch: 7,
    stream: "data",
    seq,
    time,
    topic: "/data/host/cpu/load",
    payload,
    ...change,
  };
}

function entry(stored: number, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    origin: "device-1",
    epoch: 7,
    stream: "data",
    next: stored + 1,
    stored,
    lost: 0,
    pending: 0,
    here: 0,
    balanced: true,
    ...change,
  };
}

const whole: DeviceEvidence = {
  device: "device-1",
  recorded: [line(1), line(2), line(3)],
  rows: [row(3), row(1), row(2)],
  ledger: [entry(3)],
};

test("every recorded message once, in any order, is exact", () => {
  expect(countDevice(whole)).toMatchObject({
    published: 3,
    stored: 3,
    missing: 0,
    twice: 0,
    unrecorded: 0,
    holes: 0,
    faults: [],
  });
});

test("a recorded message without a row is missing, and its number a hole", () => {
  const count = countDevice({ ...whole, rows: [row(1), row(3)], ledger: [entry(2, { next: 4, lost: 1 })] });
  expect(count).toMatchObject({ published: 3, stored: 2, missing: 1, holes: 1, ledger: { stored: 2, lost: 1 } });
  expect(count.faults.join("\n")).toContain("device-1/7/data 2");
  expect(totalOf([count])).toEqual({ published: 3, stored: 2, lost: 1, isExact: false });
});

test("a message stored under two numbers is there twice", () => {
  const count = countDevice({
    ...whole,
    rows: [row(1), row(2), row(3), row(4, { payload: '{"v":3}' })],
    ledger: [entry(4)],
  });
  expect(count).toMatchObject({ stored: 3, twice: 1, unrecorded: 0 });
  expect(count.faults).toHaveLength(1);
});

test("two equal readings are two messages", () => {
  const rows = [row(1), row(2, { payload: '{"v":1}' })];
  expect(countDevice({ ...whole, recorded: [line(1), line(1)], rows, ledger: [entry(2)] })).toMatchObject({
    stored: 2,
    faults: [],
  });
  expect(countDevice({ ...whole, recorded: [line(1), line(1)], rows: [row(1)], ledger: [entry(1)] })).toMatchObject({
    missing: 1,
  });
});

test("an identity that returns twice is a fault even when the messages agree", () => {
  const rows = [row(1), row(2), row(2, { payload: '{"v":3}' })];
  const count = countDevice({ ...whole, rows, ledger: [entry(3)] });
  expect(count).toMatchObject({ missing: 0, twice: 1 });
  expect(count.faults[0]).toContain("identity given twice: 1");
});

test("a row under /data/host/ that nobody recorded is a fault, other topics are not", () => {
  const extra = countDevice({ ...whole, rows: [...whole.rows, row(4)], ledger: [entry(4)] });
  expect(extra).toMatchObject({ unrecorded: 1, others: 0 });
  expect(extra.faults[0]).toContain("in the cloud but never published: 1");
  const other = countDevice({ ...whole, rows: [...whole.rows, row(4, { topic: "/data/hello" })], ledger: [entry(4)] });
  expect(other).toMatchObject({ unrecorded: 0, others: 1, faults: [] });
});

test("after a kill of the device, an acknowledged message may be unrecorded", () => {
  const evidence = { ...whole, rows: [...whole.rows, row(4)], ledger: [entry(4)], wasKilled: true };
  expect(countDevice(evidence)).toMatchObject({ unrecorded: 0, faults: [] });
});

test("while the device publishes, rows recorded later are neither missing nor too many", () => {
  const { ledger: _, ...moving } = whole;
  const rows = [...whole.rows, row(4)];
  expect(countDevice({ ...moving, rows, recordedLater: [...whole.recorded, line(4), line(5)] })).toMatchObject({
    stored: 3,
    faults: [],
  });
  expect(countDevice({ ...moving, rows, recordedLater: whole.recorded })).toMatchObject({ unrecorded: 1 });
  const twice = [...rows, row(5, { payload: '{"v":3}' })];
  expect(countDevice({ ...moving, rows: twice, recordedLater: [...whole.recorded, line(4)] })).toMatchObject({
    twice: 1,
  });
});

test.each([
  ["stored", entry(2, { next: 4 })],
  ["pending", entry(3, { next: 5, pending: 1 })],
  ["lost", entry(3, { next: 5, lost: 1 })],
  ["unbalanced", entry(3, { balanced: false })],
  ["another epoch", entry(3, { epoch: 8 })],
])("a ledger that does not agree is a fault: %s", (_, ledger) => {
  const count = countDevice({ ...whole, ledger: [ledger] });
  expect(count.missing).toBe(0);
  expect(count.faults.join("\n")).toContain("ledger");
});

test("epochs are numbered each for itself", () => {
  const rows = [row(1), row(2), row(1, { epoch: 8, payload: '{"v":3}' })];
  expect(countDevice({ ...whole, rows, ledger: [entry(2), entry(1, { epoch: 8 })] }).faults).toEqual([]);
});
