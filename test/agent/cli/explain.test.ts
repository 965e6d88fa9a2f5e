import { expect, test } from "vitest";
import { explainCommand } from "#agent/cli/explain.ts";
import type { AccountingReport, StatusReport } from "#shared/reports.ts";
import { ago, madeBelow, madeStatus, madeStream, ok, startNodeServer } from "../client/node-server.ts";
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
