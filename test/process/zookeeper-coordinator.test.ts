// The coordinator on a real ensemble: the contract of all coordinators, and what becomes of a hold and of leadership in outages.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Hold } from "#cloud/coordination/coordinator.ts";
import { standForElection } from "#cloud/coordination/election.ts";
import { createZooKeeperCoordinator } from "#cloud/coordination/zookeeper/zookeeper-coordinator.ts";
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { startFaultProxy } from "../../scripts/torture/fault-proxy.ts";
import type { ZooKeeperServer } from "../../scripts/services/zookeeper.ts";
import { testCoordinator } from "../contract/coordinator-contract.ts";
import { Inbox } from "../fakes/inbox.ts";
import { bytes, client, ensembleFor, listOf, zooKeeperHere } from "../fakes/real-zookeeper.ts";

const here = await zooKeeperHere();
const stack = new AsyncDisposableStack();
const real = test.skipIf(here.missing !== undefined) as typeof test;
let servers: readonly ZooKeeperServer[] = [];

beforeAll(async () => {
  servers = await ensembleFor(here, stack);
});
afterAll(async () => stack.disposeAsync());

/** A new node that stands as / for a test, and is there at every server. */
async function newRoot(): Promise<string> {
  const { zk } = client(listOf(servers));
  const { path } = await zk.create(`/test-${systemRandom.uuid()}`);
  await zk.close();
  for (const server of servers) {
    const each = client(listOf([server]));
    await each.zk.sync();
    await each.zk.close();
  }
  return path;
}

testCoordinator(
  "zookeeper",
  async () => {
    const root = await newRoot();
    return () => createZooKeeperCoordinator(client(`${listOf(servers)}${root}`).zk);
  },
  real,
);

real(
  "zookeeper: a leader that is cut off stops before the next one begins, and stands again when it is back",
  async () => {
    const root = await newRoot();
    const between = await Promise.all(servers.map(async ({ port }) => startFaultProxy(port)));
    onTestFinished(async () => void (await Promise.all(between.map(async (proxy) => proxy[Symbol.asyncDispose]()))));
    const told = new Inbox<string>();
    const holds: Hold[] = [];
    const stand = (name: string, list: string): (() => boolean) => {
      const coordinator = createZooKeeperCoordinator(client(`${list}${root}`, { timeoutMs: 2_000 }).zk);
      onTestFinished(async () => coordinator[Symbol.asyncDispose]());
      if (name === "first") coordinator.onHold((hold) => holds.push(hold));
      const changed = (leads: boolean): void => told.put(`${name} ${leads ? "leads" : "stops"}`);
      const deps = { coordinator, clock: systemClock, random: systemRandom };
      const candidacy = standForElection("/leader", { data: bytes(name), changed }, deps);
      onTestFinished(async () => candidacy[Symbol.asyncDispose]());
      return () => candidacy.leads;
    };
    const firstLeads = stand("first", listOf(between));
    await told.first((what) => what === "first leads");
    const secondLeads = stand("second", listOf(servers));
    for (const proxy of between) proxy.set({ type: "silent" });
    await told.first((what) => what === "second leads");
    expect(told.all).toEqual(["first leads", "first stops", "second leads"]);
    expect([firstLeads(), secondLeads()]).toEqual([false, true]);
    for (const proxy of between) {
      proxy.set({ type: "pass" });
      proxy.reset();
    }
    const back = client(`${listOf(servers)}${root}`);
    onTestFinished(async () => back.zk.close());
    const entrants = new Inbox<number>();
    const count = (): void => void back.zk.children("/leader").then(({ children }) => entrants.put(children.length));
    await back.zk.addWatch("/leader", false, count);
    count();
    await entrants.first((number) => number === 2);
    expect(holds).toEqual(["held", "suspended", "lost", "held"]);
    expect([firstLeads(), secondLeads()]).toEqual([false, true]);
  },
);
