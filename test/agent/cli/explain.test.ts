import { expect, test } from "vitest";
import { explainCommand } from "#agent/cli/explain.ts";
import type { AccountingReport, RangeReport, StatusReport } from "#shared/reports.ts";
import {
  ago,
  madeBelow,
  madeFogStatus,
  madeRange,
  madeRangeBelow,
  madeStatus,
  madeStream,
  ok,
  startNodeServer,
} from "../client/node-server.ts";
import { createBench } from "./command-bench.ts";

async function explain(
  accounts: readonly AccountingReport[],
  args: readonly string[],
  status: StatusReport = madeStatus(),
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  await using server = await startNodeServer({
    "/api/v1/status": ok(status),
    [`/api/v1/accounting?origin=${args[0]}`]: ok(accounts),
  });
  const bench = createBench();
  const exitCode = await bench.run(explainCommand, [...args, "--http", server.url]);
  return { exitCode, ...bench.written };
}

test("a paragraph per stream, with the epoch where the name alone does not tell", async () => {
  const { exitCode, stdout } = await explain([madeStream(), madeStream({ stream: "alarms" })], ["device-1"]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^device-1\/data: 1204 published, .*\ndevice-1\/alarms: 1204 published, .*\n$/);
  const epochs = await explain([madeStream(), madeStream({ epoch: 8 })], ["device-1"]);
  expect(epochs.stdout).toMatch(/^device-1\/data \(epoch 7\): .*\ndevice-1\/data \(epoch 8\): .*\n$/);
  const one = await explain([madeStream(), madeStream({ stream: "alarms" })], ["device-1", "--stream", "alarms"]);
  expect(one.stdout).toMatch(/^device-1\/alarms: .*\n$/);
});

test("pending is no failure, lost and unbalanced are", async () => {
  expect((await explain([madeStream({ stored: 1203, below: 1, pending: 1 })], ["device-1"])).exitCode).toBe(0);
  const lost = await explain([madeStream({ stored: 1203, lost: 1 })], ["device-1"]);
  expect(lost).toMatchObject({ exitCode: 1, stderr: "", stdout: expect.stringContaining("1 lost") });
  const broken = await explain([madeStream({ stored: 1 })], ["device-1"]);
  expect(broken).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("DO NOT BALANCE") });
});

test("what nobody is known to send any more is a failure", async () => {
  const overdue = await explain([madeStream({ stored: 1194, below: 10, pending: 10, overdue: 10 })], ["device-1"]);
  expect(overdue).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("will not send them again") });
});

test("JSON has the accounts and what they mean", async () => {
  const streams = [madeStream({ stored: 1203, below: 1, pending: 1 })];
  const below = [madeBelow("device-1", "cloud-1", { state: "lost", since: ago(60) })];
  const { stdout } = await explain(streams, ["device-1", "--json"], madeStatus({ below }));
  expect(JSON.parse(stdout)).toEqual({
    origin: "device-1",
    askedNode: "cloud-1",
    now: ago(0),
    complete: false,
    offline: { node: "device-1", state: "lost", since: ago(60) },
    streams,
  });
});

test("a node or a stream that nobody has heard of is an error that says what is known", async () => {
  expect(await explain([], ["device-9"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: 'FOGBANK_NODE_UNKNOWN: cloud-1 has never heard of "device-9": it knows device-1\n',
  });
  const stream = await explain([madeStream()], ["device-1", "--stream", "dta"]);
  expect(stream).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('no stream "dta" of device-1: it knows data'),
  });
});

test("a node that has published nothing is known all the same", async () => {
  expect(await explain([], ["fog-1"])).toEqual({
    exitCode: 0,
    stdout: "fog-1: nothing published yet, as far as cloud-1 knows.\n",
    stderr: "",
  });
});

test("no node to ask is exit code 3", async () => {
  const server = await startNodeServer({});
  await server[Symbol.asyncDispose]();
  const bench = createBench();
  expect(await bench.run(explainCommand, ["device-1", "--http", server.url])).toBe(3);
  expect(bench.written.stderr).toMatch(/^FOGBANK_NOT_CONNECTED: /);
});

async function explainTimes(
  ranges: readonly RangeReport[],
  query: string,
  args: readonly string[],
  status: StatusReport = madeStatus(),
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  await using server = await startNodeServer({
    "/api/v1/status": ok(status),
    "/api/v1/accounting?origin=device-1": ok([madeStream()]),
    [`/api/v1/accounting?${query}`]: ok(ranges),
  });
  const bench = createBench();
  const exitCode = await bench.run(explainCommand, [...args, "--http", server.url]);
  return { exitCode, ...bench.written };
}

const hour = "from=2026-07-10T10%3A00%3A00.000Z&to=2026-07-10T11%3A00%3A00.000Z";

test("a span of time is asked for in UTC, whatever zone it was given in, with the stream", async () => {
  const args = ["device-1", "data", "--from", "2026-07-10T12:00+02:00", "--to", "2026-07-10 11:00"];
  const { exitCode, stdout } = await explainTimes([madeRange()], `origin=device-1&stream=data&${hour}`, args);
  expect(stdout).toMatch(/^device-1\/data from 2026-07-10 10:00:00Z to 2026-07-10 11:00:00Z: 360 stored here .*\n$/);
  expect(exitCode).toBe(0);
});

test("the stream may stand behind the node in any case", async () => {
  const one = await explain([madeStream(), madeStream({ stream: "alarms" })], ["device-1", "alarms"]);
  expect(one.stdout).toMatch(/^device-1\/alarms: .*\n$/);
});

test("of a span, lost is a failure; JSON says whether it is complete, and where the root is", async () => {
  const args = ["device-1", "--from", "2026-07-10T10:00:00Z", "--to", "2026-07-10T11:00:00Z"];
  const lost = await explainTimes([madeRange({ lost: 1 })], `origin=device-1&${hour}`, args);
  expect(lost.exitCode).toBe(1);
  const all = await explainTimes([madeRange()], `origin=device-1&${hour}`, [...args, "--json"]);
  expect(JSON.parse(all.stdout)).toMatchObject({ complete: true, askedNode: "cloud-1", root: "cloud-1" });
  const below = await explainTimes(
    [madeRangeBelow()],
    `origin=device-1&${hour}`,
    [...args, "--json"],
    madeFogStatus({ state: "down" }),
  );
  expect(JSON.parse(below.stdout)).toMatchObject({ complete: false, askedNode: "fog-1", root: "cloud-1" });
});

test("a time that nobody can read is refused, a stream that nobody knows is named", async () => {
  const bad = await explainTimes([], "", ["device-1", "--from", "yesterday"]);
  expect(bad).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("give ISO 8601") });
  const query = "origin=device-1&stream=dta&to=2026-07-10T11%3A00%3A00.000Z";
  const unknown = await explainTimes([], query, ["device-1", "dta", "--to", "2026-07-10T11:00Z"]);
  expect(unknown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no stream "dta" of device-1') });
});

test("in a span of time what is missing is a failure, and renumbered is none", async () => {
  const codeOf = async (range: RangeReport): Promise<number> => {
    const args = ["device-1", "--from", "2026-07-10T10:00", "--to", "2026-07-10T11:00"];
    return (await explainTimes([range], `origin=device-1&${hour}`, args)).exitCode;
  };
  const missing = { missing: 2, missingRanges: [{ first: 110, last: 111 }] };
  expect(await codeOf(madeRange({}, missing))).toBe(1);
  expect(await codeOf(madeRange({}, { settled: false }))).toBe(1);
  expect(await codeOf(madeRange({ below: 3, here: 1 }))).toBe(0);
  const renumbered = { first: 110, last: 112, reason: "renumbered" } as const;
  expect(await codeOf(madeRange({ lost: 3, lostRanges: [renumbered] }))).toBe(0);
  expect(await codeOf(madeRange({ lost: 3, lostRanges: [{ ...renumbered, reason: "kept-below" }] }))).toBe(0);
  const corrupt = { first: 120, last: 120, reason: "corrupt" } as const;
  expect(await codeOf(madeRange({ lost: 4, lostRanges: [renumbered, corrupt] }))).toBe(1);
  expect(await codeOf(madeRange({ lost: 4, lostRanges: [renumbered] }))).toBe(1);
});

test("numbers whose messages came under new ones are no failure of a stream either", async () => {
  const renumbered = { first: 1, last: 3, reason: "renumbered" } as const;
  const only = await explain([madeStream({ stored: 1201, lost: 3, lostRanges: [renumbered] })], ["device-1"]);
  expect(only.exitCode).toBe(0);
  const more = await explain([madeStream({ stored: 1200, lost: 4, lostRanges: [renumbered] })], ["device-1"]);
  expect(more.exitCode).toBe(1);
});
