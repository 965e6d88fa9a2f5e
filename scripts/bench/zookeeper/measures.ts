// What is measured of a client: operations with 64 on their way, and how long writes stand still when its server dies or freezes.
import { setTimeout as wait } from "node:timers/promises";
import type { ZooKeeperServer } from "../../services/zookeeper.ts";
import type { BenchClient, Contender } from "./contender.ts";

const concurrency = 64;
const valueBytes = 200;
const timeoutMs = 4_000;
/** Of one write that is never answered, and of an outage that does not end. */
const patienceMs = 12_000;
const opensMax = 20;
/** Before a fault, so that the connection is one that has held. */
const settleMs = 1_500;

export interface Rates {
  readonly perSecond: number;
  /** Processor time of this process, which is the client. */
  readonly cpuMicros: number;
}

export type Kind = "create" | "set" | "get";

export async function rates(contender: Contender, port: number, kind: Kind, count: number): Promise<Rates> {
  const client = await contender.open([port], timeoutMs);
  const path = `/bench-${process.hrtime.bigint()}`;
  const data = Buffer.alloc(valueBytes, 1);
  await client.create(path, data);
  let started = 0;
  const work = async (): Promise<void> => {
    while (started < count) {
      const number = started++;
      if (kind === "create") await client.create(`${path}/${number}`, data);
      else await (kind === "set" ? client.set(path, data) : client.get(path));
    }
  };
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: concurrency }, work));
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = (count / (performance.now() - startMs)) * 1_000;
  await client.close();
  return { perSecond, cpuMicros: (user + system) / count };
}

/** Milliseconds between the last write before the fault and the first after it; infinite when none comes. */
export async function gapMs(
  contender: Contender,
  servers: readonly ZooKeeperServer[],
  fault: "kill" | "freeze",
): Promise<number> {
  const [client, holder] = await atFollower(contender, servers);
  const path = `/gap-${process.hrtime.bigint()}`;
  await client.create(path, Buffer.alloc(1));
  await wait(settleMs);
  let lastMs = performance.now();
  await client.set(path, Buffer.alloc(1));
  lastMs = performance.now();
  if (fault === "kill") await holder.kill();
  else holder.freeze();
  const endMs = lastMs + patienceMs;
  let gap = Number.POSITIVE_INFINITY;
  while (performance.now() < endMs) {
    const isDone = await Promise.race([
      client.set(path, Buffer.alloc(1)).then(
        () => true,
        () => false,
      ),
      wait(Math.max(0, endMs - performance.now()), false),
    ]);
    if (isDone) {
      gap = performance.now() - lastMs;
      break;
    }
    await wait(5);
  }
  holder.thaw();
  if (fault === "kill") holder.start();
  await holder.serving();
  await Promise.race([client.close().catch(() => undefined), wait(1_000)]);
  return gap;
}

/** A client whose session is at a follower: the leader's loss is another thing, an election. */
async function atFollower(
  contender: Contender,
  servers: readonly ZooKeeperServer[],
): Promise<readonly [BenchClient, ZooKeeperServer]> {
  for (let opens = 0; opens < opensMax; opens++) {
    const before = new Set((await Promise.all(servers.map(async (one) => one.sessions()))).flat());
    const client = await contender.open(
      servers.map(({ port }) => port),
      timeoutMs,
    );
    for (const server of servers) {
      const isNew = (await server.sessions()).some((id) => !before.has(id));
      if (isNew && (await server.mode()) === "follower") return [client, server];
    }
    await client.close();
  }
  throw new Error(`${contender.name} does not connect to a follower`);
}
