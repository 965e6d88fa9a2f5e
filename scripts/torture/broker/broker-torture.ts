// One torture of one broker from start to verdict: node up, clients on, killing, calm, drain, once more killed, judgement.
import { join } from "node:path";
import type { OrphanGuard } from "../../demo/orphan-guard.ts";
import { createPortPicker } from "../../demo/free-ports.ts";
import { createMessagePlan } from "../message-plan.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../node-under-test.ts";
import { seeded, type Seeded } from "../seeded.ts";
import { troublesOf } from "../troubles.ts";
import { hasRetained, judge, type Judgement } from "./broker-oracle.ts";
import { FaultLog } from "./fault-log.ts";
import { startPublisher, type PublisherOptions, type TorturePublisher } from "./publisher.ts";
import { Ticker } from "./record.ts";
import { readRetained, startRetainedReader } from "./retained-reader.ts";
import { pause, type Scene } from "./scene.ts";
import { startSubscriber, type SubscriberOptions, type TortureSubscriber } from "./subscriber.ts";

export interface BrokerTortureOptions {
  /** For database, configuration and log; exists. */
  readonly folder: string;
  readonly seed: number;
  /** How long the node is killed. */
  readonly seconds: number;
  readonly guard?: OrphanGuard;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface BrokerTortureReport extends Judgement {
  readonly kills: number;
  /** Of these, SIGTERM. */
  readonly stops: number;
  readonly connects: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** PUBLISH packets that went out again. */
  readonly resent: number;
  readonly delivered: number;
  /** Copies that came with DUP. */
  readonly redelivered: number;
  readonly subscriptions: number;
  readonly retainedReadings: number;
  readonly drainMs: number | undefined;
  readonly remarks: readonly string[];
  readonly faults: readonly string[];
}

const waitMsMin = 500;
const waitMsMax = 3_000;
/** How many of the ends are a SIGTERM. */
const stopShare = 0.15;
/** How long it is killed when nothing is published any more: nothing but what is read makes it store then. */
const lateMs = 5_000;
const drainMsMax = 120_000;

const plain = ["t/a/#", "t/b/#", "/data/torture/#"];
const retained = "r/#";
const group = "pool";

interface Cast {
  readonly publishers: readonly TorturePublisher[];
  readonly subscribers: readonly TortureSubscriber[];
  readonly sanity: TortureSubscriber;
}

export async function runBrokerTorture(options: BrokerTortureOptions): Promise<BrokerTortureReport> {
  const { folder, seed, seconds, guard, signal, say } = options;
  const random = seeded(seed);
  const pick = createPortPicker();
  const ports = { mqtt: await pick(), http: await pick() };
  const node = nodeUnderTest(join(folder), "broker", ports, "", guard);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void (await node.end()));
  await node.start();
  const calm = new AbortController();
  const over = new AbortController();
  stack.defer(() => over.abort());
  const faults = new FaultLog();
  const scene: Scene = { port: ports.mqtt, ticker: new Ticker(), faults, calm: calm.signal, over: over.signal };
  const cast = startCast(scene, random);
  const records = cast.publishers.map(({ record }) => record);
  const retaining = records.filter(({ retain }) => retain);
  const reader = startRetainedReader(scene, retaining, retained, random.fork("reader"));
  say(`the broker is up, killing it every ${waitMsMin} to ${waitMsMax} ms for ${seconds} s`);
  const kills = await killAtRandom(node, random.fork("kills"), performance.now() + seconds * 1000, signal);
  calm.abort();
  say("the publishers are done: killing on, while what waits is read");
  const late = await killAtRandom(node, random.fork("late kills"), performance.now() + lateMs, signal);
  await reader.finished;
  say("killing stopped, the broker is up again: draining");
  const drainMs = await drained(node, cast, faults);
  say("drained: killing it once more, to see what it still remembers");
  await node.end();
  await node.start();
  await drained(node, cast, faults);
  if (!(await readRetained(scene, retaining, retained, "reader-last", random))) faults.add("retained", "unreadable");
  over.abort();
  await Promise.all([...cast.publishers, ...cast.subscribers, cast.sanity].map(({ finished }) => finished));
  const crash = node.crash();
  if (crash !== undefined) faults.add("the node ended by itself", crash);
  const judgement = judge(
    records,
    cast.subscribers.map(({ record }) => record),
    faults,
  );
  judgeSanity(cast.sanity, faults);
  const remarks = await troublesOf([node]);
  const counts = countsOf(cast);
  const killed = { kills: kills.kills + late.kills, stops: kills.stops + late.stops };
  const rest = { drainMs, remarks, retainedReadings: reader.readings(), faults: faults.sentences() };
  return { ...killed, ...judgement, ...counts, ...rest };
}

async function killAtRandom(
  node: NodeUnderTest,
  random: Seeded,
  untilMs: number,
  signal: AbortSignal,
): Promise<{ readonly kills: number; readonly stops: number }> {
  let kills = 0;
  let stops = 0;
  let starting = Promise.resolve();
  while (performance.now() < untilMs && !signal.aborted) {
    // From the start on: also a node that is still starting is killed.
    await pause(random.between(waitMsMin, waitMsMax), signal);
    const isStop = random.unit() < stopShare;
    await node.end(isStop ? "SIGTERM" : "SIGKILL");
    kills++;
    if (isStop) stops++;
    starting = node.start();
    starting.catch(() => undefined); // awaited in the end; until then a later kill is the usual end of it
  }
  await starting;
  return { kills, stops };
}

function startCast(scene: Scene, random: Seeded): Cast {
  const publish = (
    name: string,
    protocol: 4 | 5,
    qos: 1 | 2,
    topics: readonly string[],
    more: Partial<PublisherOptions> = {},
  ) => {
    const plan = createMessagePlan(random.fork("messages"), name, topics);
    return startPublisher(
      scene,
      { plan, protocol, qos, retain: false, width: 1, ...more },
      random.fork(`bursts of ${name}`),
    );
  };
  const topics = ["t/a/1", "t/a/2", "t/b/1", "t/c/1", "/data/torture/x"];
  const publishers = [
    publish("p1-v4", 4, 1, topics),
    publish("p1-v5", 5, 1, topics),
    publish("p2-v4", 4, 2, topics),
    publish("p2-v5", 5, 2, topics),
    // Nearly as many at once as the receive maximum allows.
    publish("w2-v5", 5, 2, topics, { width: 9 }),
    publish("r1-v5", 5, 1, ["r/1/a", "r/1/b"], { retain: true }),
    publish("r2-v4", 4, 2, ["r/2/a", "r/2/b"], { retain: true }),
  ];
  const plans = new Map(publishers.map(({ record: { plan } }) => [plan.publisher, plan]));
  const records = publishers.map(({ record }) => record);
  const subscribe = (name: string, protocol: 4 | 5, qos: 1 | 2, more: Partial<SubscriberOptions> = {}) =>
    startSubscriber(
      scene,
      plans,
      {
        name,
        protocol,
        qos,
        keepsSession: true,
        filters: plain,
        changing: [],
        onlineMsMax: 8_000,
        awayMsMax: 1_000,
        mayRelease: (record, filter) => filter !== retained || hasRetained(record, records, filter),
        ...more,
      },
      random.fork(`ways of ${name}`),
    );
  const ofGroup: Partial<SubscriberOptions> = { group, filters: ["t/c/#", "/data/torture/#"], onlineMsMax: 4_000 };
  const subscribers = [
    subscribe("s1-v4", 4, 1),
    subscribe("s1-v5", 5, 1, { onlineMsMax: 60_000 }),
    subscribe("s2-v4", 4, 2),
    subscribe("s2-v5", 5, 2, { onlineMsMax: 60_000 }),
    subscribe("s1-away", 4, 1, { onlineMsMax: 1_000, awayMsMax: 15_000 }),
    subscribe("s2-away", 5, 2, { onlineMsMax: 1_000, awayMsMax: 15_000 }),
    subscribe("s1-changing", 5, 1, { filters: ["t/a/#"], changing: ["t/b/#", "t/c/#", retained] }),
    subscribe("s2-changing", 4, 2, { filters: ["t/a/#"], changing: ["t/b/#", "t/c/#", retained] }),
    subscribe("g1-v4", 4, 2, ofGroup),
    subscribe("g2-v5", 5, 2, ofGroup),
    subscribe("g3-v5", 5, 2, { ...ofGroup, awayMsMax: 5_000 }),
  ];
  return { publishers, subscribers, sanity: subscribe("clean", 4, 1, { keepsSession: false }) };
}

/** Waits until every publisher has its confirmations and nothing waits for anybody any more. */
async function drained(node: NodeUnderTest, cast: Cast, faults: FaultLog): Promise<number | undefined> {
  const { publishers, subscribers } = cast;
  const startMs = performance.now();
  try {
    await eventually(
      async () => {
        const { counters } = await node.status();
        return {
          unconfirmed: publishers.reduce((sum, { client }) => sum + client.outgoing.size, 0),
          queued: counters["broker.queuedMessages"],
          away: subscribers.flatMap(({ client, record }) => (client.isOpen ? [] : [record.name])),
          unsettled: subscribers.flatMap(({ client, record }) => (client.subscriptions.isSettled ? [] : [record.name])),
        };
      },
      ({ unconfirmed, queued, away, unsettled }) =>
        unconfirmed === 0 && queued === 0 && away.length === 0 && unsettled.length === 0,
      drainMsMax,
    );
  } catch (error) {
    faults.add("it did not drain", error instanceof Error ? error.message : String(error));
    return undefined;
  }
  await Promise.all(subscribers.map(({ client }) => client.ping()));
  return performance.now() - startMs;
}

/** The clean session promises little: what comes is what was sent, and something does. */
function judgeSanity({ record }: TortureSubscriber, faults: FaultLog): void {
  if (record.deliveries.length === 0) faults.add("nothing at all reached the clean session", record.name);
}

function countsOf({ publishers, subscribers, sanity }: Cast) {
  const publications = publishers.flatMap(({ record }) => record.publications);
  const everybody = [...publishers, ...subscribers, sanity];
  return {
    connects: everybody.reduce((sum, { client }) => sum + client.connects, 0),
    sent: publications.length,
    acknowledged: publications.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined).length,
    resent: publications.reduce((sum, { sends }) => sum + sends - 1, 0),
    delivered: subscribers.reduce((sum, { record }) => sum + record.deliveries.length, 0),
    redelivered: subscribers.reduce((sum, subscriber) => sum + subscriber.repeats(), 0),
    subscriptions: subscribers.reduce((sum, { record }) => sum + record.spans.length, 0),
  };
}

/** The outcome as lines for a person. */
export function brokerReportLines(report: BrokerTortureReport): readonly string[] {
  const { faults, drainMs } = report;
  const verdict = `${report.lost} lost, ${report.duplicated} duplicated`;
  return [
    `kills               ${report.kills}, of these ${report.stops} with SIGTERM`,
    `connections         ${report.connects}; ${report.subscriptions} subscriptions`,
    `messages            ${report.sent} sent, ${report.acknowledged} acknowledged, ${report.resent} sent again`,
    `promised            ${report.promised} deliveries, ${report.kept} kept`,
    `deliveries          ${report.delivered}; ${report.redelivered} packets with DUP, ${report.repeated} repeated at QoS 1`,
    `retained            read ${report.retainedReadings} times while it was killed`,
    `drain               ${drainMs === undefined ? "did not end" : `${(drainMs / 1000).toFixed(1)} s`}`,
    ...report.remarks.map((remark) => `remark              ${remark}`),
    ...faults.map((fault) => `FAULT               ${fault}`),
    `verdict             ${faults.length === 0 ? verdict : `FAILED: ${verdict}, ${faults.length} kinds of fault`}`,
  ];
}
