// A cloud node whose documents are in a real MongoDB, which is killed, stepped down, frozen, filled and put back while messages are
// published. Afterwards each message is there once, or named.
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import { whyNoMongod } from "../../scripts/services/mongod-binary.ts";
import { mongodUnderTest, type MongodUnderTest } from "../../scripts/services/mongodb.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { whyNoMongodb } from "../fakes/real-mongodb.ts";

const name = "cloud-1";

interface Scene {
  readonly cloud: NodeUnderTest;
  readonly mongod: MongodUnderTest;
  readonly folder: string;
  /** Publishes so many numbered messages, all acknowledged. */
  readonly publish: (messages: number) => Promise<void>;
}

/** Neither runs yet. */
async function scene(): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-mongodb-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const guard = startOrphanGuard();
  onTestFinished(() => guard[Symbol.dispose]());
  const pick = createPortPicker();
  const ports = { mongod: await pick(), shim: await pick() };
  const mongod = mongodUnderTest({ folder: join(folder, "mongod"), ports, started: (pid) => guard.watch(pid) });
  onTestFinished(() => mongod.end());
  const settings = `level = "cloud"; documents: { url = "${mongod.url}"; }; sources: { host: { enabled = false; }; };`;
  const cloud = nodeUnderTest(folder, name, { mqtt: await pick(), http: await pick() }, settings, guard);
  onTestFinished(async () => void (await cloud.end()));
  let published = 0;
  const publish = async (messages: number): Promise<void> => {
    const client = await connectAsync({
      host: "127.0.0.1",
      port: cloud.mqttPort,
      protocol: "mqtt",
      reconnectPeriod: 0,
    });
    const numbers = Array.from({ length: messages }, () => ++published);
    await Promise.all(numbers.map((number) => client.publishAsync("/data/x", String(number), { qos: 1 })));
    await client.endAsync();
  };
  return { cloud, mongod, folder, publish };
}

/** Publishes while `hurt` goes on, and then until `messages` of them are published. */
async function publishDuring(publish: Scene["publish"], messages: number, hurt: () => Promise<void>): Promise<void> {
  const hurting = hurt();
  for (let left = messages; left > 0; left -= 100) await publish(Math.min(100, left));
  await hurting;
}

async function expectEachOnce(cloud: NodeUnderTest, messages: number): Promise<void> {
  await expectStored(cloud, messages);
  const found = (await cloud.data(name)).map(({ seq, payload }) => `${seq}: ${String(payload)}`);
  expect(found).toEqual(Array.from({ length: messages }, (_, index) => `${index + 1}: ${index + 1}`));
  expect(readFileSync(cloud.logFile, "utf8")).not.toContain("quarantined");
}

async function expectStored(cloud: NodeUnderTest, messages: number): Promise<void> {
  await eventually(
    async () => (await cloud.accounting(name)).find(({ stream }) => stream === "data"),
    (account) => account?.stored === messages && account.pending === 0 && account.balanced,
  );
  await eventually(
    async () => (await cloud.status()).documents,
    (documents) => documents?.failingSince === undefined,
  );
}

/** Until the node has noticed, and says so. */
async function failing(cloud: NodeUnderTest): Promise<void> {
  await eventually(
    async () => (await cloud.status()).documents?.failingSince,
    (since) => since !== undefined,
  );
}

// One's own server is not to be mistreated: these start one, or do not run.
describe.skipIf(whyNoMongodb() !== undefined || whyNoMongod() !== undefined)("a cloud node on a real MongoDB", () => {
  test("[O1] [O2] mongod is killed -9, and the node too, while messages come: each is stored once", async () => {
    const { cloud, mongod, publish } = await scene();
    await mongod.start();
    await cloud.start();
    await publishDuring(publish, 2_000, () => mongod.kill());
    await failing(cloud);
    await publish(500);
    await cloud.end("SIGKILL");
    await cloud.start();
    await failing(cloud);
    await publish(500);
    await mongod.start();
    await publishDuring(publish, 1_000, () => expectStored(cloud, 4_000));
    await expectEachOnce(cloud, 4_000);
  });

  test("[U7] [O1] [O2] a node that has never met its server starts, takes data and says so; all of it is stored once", async () => {
    const { cloud, mongod, publish } = await scene();
    await cloud.start();
    await failing(cloud);
    await publish(300);
    await cloud.end("SIGKILL");
    await cloud.start();
    await publish(300);
    await mongod.start();
    await publishDuring(publish, 400, () => expectStored(cloud, 1_000));
    await expectEachOnce(cloud, 1_000);
  });

  test("[O1] [O2] the primary is stepped down, then frozen, then full, while messages come: each is stored once", async () => {
    const { cloud, mongod, publish } = await scene();
    await mongod.start();
    await cloud.start();
    await publishDuring(publish, 1_000, async () => {
      // It cuts the connection that asks for it.
      await mongod.admin({ replSetStepDown: 1, secondaryCatchUpPeriodSecs: 0, force: true }).catch(() => undefined);
    });
    await expectStored(cloud, 1_000);
    await publishDuring(publish, 1_000, async () => {
      mongod.freeze(true);
      await failing(cloud);
      mongod.freeze(false);
    });
    await expectStored(cloud, 2_000);
    const full = { failCommands: ["insert"], errorCode: 14_031 };
    await mongod.admin({ configureFailPoint: "failCommand", mode: "alwaysOn", data: full });
    await publish(500);
    await failing(cloud);
    await publish(500);
    await mongod.admin({ configureFailPoint: "failCommand", mode: "off" });
    await expectEachOnce(cloud, 3_000);
  });

  test("[O3] mongod is put back from an older copy while the node runs: what it has lost is named, and the rest is there once", async () => {
    const { cloud, mongod, folder, publish } = await scene();
    await mongod.start();
    await cloud.start();
    await publish(500);
    await expectStored(cloud, 500);
    await mongod.kill();
    cpSync(mongod.dataFolder, join(folder, "copy"), { recursive: true });
    await mongod.start();
    await publish(300);
    await expectStored(cloud, 800);
    await mongod.kill();
    rmSync(mongod.dataFolder, { recursive: true });
    cpSync(join(folder, "copy"), mongod.dataFolder, { recursive: true });
    await mongod.start();
    await publish(200);
    const account = await eventually(
      async () => (await cloud.accounting(name)).find(({ stream }) => stream === "data"),
      (found) => found !== undefined && found.pending === 0 && found.lost > 0,
    );
    expect(account).toMatchObject({ stored: 700, lost: 300, balanced: true });
    expect(account?.lostRanges).toEqual([{ first: 501, last: 800, reason: "store-lost" }]);
    const seqs = (await cloud.data(name)).map(({ seq }) => seq);
    expect(seqs).toEqual([...range(1, 500), ...range(801, 1_000)]);
  });
});

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
