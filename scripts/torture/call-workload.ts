// Calls that run through the tree while its processes are killed. Programs at the devices count how often each call reached them:
// at most once [T3]. Callers at the cloud and the fogs count final replies: exactly one for every call whose caller's node lived
// long enough, never two [T5].
import { connect, type MqttClient } from "mqtt";
import { limits } from "#shared/limits.ts";
import type { Seeded } from "./seeded.ts";
import type { Member, TortureTree } from "./torture-tree.ts";
import type { Workload } from "./workload.ts";

const functionName = "torture";
const ttlMs = 2_000;
const pauseMsMax = 400;
const reconnectMs = 100;
/** A machine on which seven processes start over and over answers late; a call that is never answered is another matter. */
const slackMs = 5_000;

interface Call {
  readonly by: string;
  /** By then the final reply must be there, if the caller's connection has held. */
  readonly dueAtMs: number;
  finals: number;
  /** The connection of its caller broke before that. */
  abandoned: boolean;
}

/** Counts for the report. */
interface Tally {
  readonly calls: Map<string, Call>;
  /** How often a call reached a device, by "device id". */
  readonly runs: Map<string, number>;
  results: number;
}

export function callWorkload(): Workload {
  const tally: Tally = { calls: new Map(), runs: new Map(), results: 0 };
  const stop = new AbortController();
  const work: Promise<void>[] = [];
  return {
    name: "calls",
    async start({ cloud, fogs, devices }: TortureTree, random: Seeded) {
      for (const device of devices) work.push(again(stop.signal, () => offer(device, tally, stop.signal)));
      for (const caller of [cloud, ...fogs]) {
        const own = random.fork(caller.node.name);
        work.push(again(stop.signal, () => callFrom(caller, own, tally, stop.signal)));
      }
    },
    async stop() {
      const last = Math.max(0, ...[...tally.calls.values()].map(({ dueAtMs }) => dueAtMs));
      await pause(Math.min(ttlMs + slackMs, Math.max(0, last - performance.now())));
      stop.abort();
      await Promise.all(work);
    },
    async check() {
      return { faults: faultsOf(tally), remarks: [remarkOf(tally)] };
    },
  };
}

/** A program at a device: answers, and counts what reached it. */
async function offer({ node }: Member, tally: Tally, signal: AbortSignal): Promise<void> {
  await session(node.mqttPort, `program-${node.name}`, signal, async (client, closed) => {
    client.on("message", (_topic, payload) => {
      const { id, reply } = JSON.parse(payload.toString()) as { readonly id: string; readonly reply: string };
      const key = `${node.name} ${id}`;
      tally.runs.set(key, (tally.runs.get(key) ?? 0) + 1);
      client.publish(reply, '{"result":"done"}', { qos: 0 });
    });
    await client.subscribeAsync(`/machine/functions/${functionName}`, { qos: 1 });
    await closed;
  });
}

async function callFrom({ node }: Member, random: Seeded, tally: Tally, signal: AbortSignal): Promise<void> {
  const mine = new Set<Call>();
  try {
    await session(node.mqttPort, `caller-${node.name}`, signal, async (client, closed) => {
      client.on("message", (_topic, payload) => {
        const reply = JSON.parse(payload.toString()) as {
          readonly id: string;
          readonly final: boolean;
          readonly results?: readonly unknown[];
        };
        const call = tally.calls.get(reply.id);
        if (!reply.final || call === undefined) return;
        call.finals++;
        tally.results += reply.results?.length ?? 0;
      });
      await client.subscribeAsync("/machine/replies/#", { qos: 1 });
      let isOpen = true;
      void closed.then(() => (isOpen = false));
      while (isOpen && !signal.aborted) {
        const id = Array.from({ length: 32 }, () => random.between(0, 15).toString(16)).join("");
        const call = {
          by: node.name,
          dueAtMs: performance.now() + ttlMs + limits.callHopMs + slackMs,
          finals: 0,
          abandoned: false,
        };
        tally.calls.set(id, call);
        mine.add(call);
        const body = JSON.stringify({ id, ttl: ttlMs / 1000, if: "level == 'device'" });
        client.publish(`/machine/functions/${functionName}`, body, { qos: 1 });
        await Promise.race([closed, pause(random.between(50, pauseMsMax))]);
      }
      await closed;
    });
  } finally {
    for (const call of mine) if (performance.now() < call.dueAtMs) call.abandoned = true;
  }
}

function faultsOf({ calls, runs }: Tally): readonly string[] {
  const faults: string[] = [];
  for (const [key, count] of runs) if (count > 1) faults.push(`[T3] a call ran ${count} times: ${key}`);
  for (const [id, { by, finals, abandoned }] of calls) {
    if (finals > 1) faults.push(`[T5] call ${id} of ${by} got ${finals} final replies`);
    if (finals === 0 && !abandoned) faults.push(`[T5] call ${id} of ${by} got no final reply`);
  }
  return faults.slice(0, 20);
}

function remarkOf({ calls, runs, results }: Tally): string {
  const abandoned = [...calls.values()].filter((call) => call.abandoned && call.finals === 0).length;
  return `${calls.size} calls, ${runs.size} runs, ${results} results in final replies; ${abandoned} callers' nodes died before the answer`;
}

/** One connection: `work` ends when it is closed or `signal` aborts. */
async function session(
  port: number,
  clientId: string,
  signal: AbortSignal,
  work: (client: MqttClient, closed: Promise<void>) => Promise<void>,
): Promise<void> {
  const client = connect({
    host: "127.0.0.1",
    port,
    clientId,
    protocol: "mqtt",
    protocolVersion: 4,
    reconnectPeriod: 0,
    clean: true,
  });
  client.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    client.once("close", () => resolve());
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const opened = new Promise<"opened">((resolve) => client.once("connect", () => resolve("opened")));
  try {
    if ((await Promise.race([opened, closed])) === "opened") await Promise.race([work(client, closed), closed]);
  } catch (error) {
    // A subscription that the end of the connection overtook; anything else is a bug of this file.
    if (client.connected && !signal.aborted) throw error;
  } finally {
    client.end(true);
  }
}

/** Begins `work` anew, a moment after it has ended, until `signal` aborts. */
async function again(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work();
    await pause(reconnectMs);
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
