// Asks the broker for its retained messages again and again, as a client that was never there before: none may be older than the last
// one that was acknowledged on its topic.
import type { Seeded } from "../seeded.ts";
import type { PublisherRecord, SubscriberRecord, Tick } from "./record.ts";
import { pause, type Scene } from "./scene.ts";
import { StrictClient } from "./strict-client.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface RetainedReader {
  /** How often it got an answer. */
  readings(): number;
  readonly finished: Promise<void>;
}

const pauseMsMax = 400;
/** A connection that holds that long, without the messages, is a fault. */
const answerMsMax = 30_000;

/** What was acknowledged last on each topic before `at`. */
export function lastAcknowledged(
  records: readonly PublisherRecord[],
  at: Tick = Infinity,
): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { publications } of records) {
    for (const { topic, number, acknowledgedAt } of publications)
      if (acknowledgedAt !== undefined && acknowledgedAt < at) last.set(topic, number);
  }
  return last;
}

export function startRetainedReader(
  scene: Scene,
  records: readonly PublisherRecord[],
  filter: string,
  random: Seeded,
): RetainedReader {
  let readings = 0;
  return {
    readings: () => readings,
    finished: (async () => {
      for (let round = 1; !scene.calm.aborted; round++) {
        await pause(random.between(0, pauseMsMax), scene.calm);
        if (await readRetained(scene, records, filter, `reader-${round}`, random)) readings++;
      }
    })(),
  };
}

/** One reading. False: the connection broke before it was complete. */
export async function readRetained(
  scene: Scene,
  records: readonly PublisherRecord[],
  filter: string,
  name: string,
  random: Seeded,
): Promise<boolean> {
  const wanted = lastAcknowledged(records);
  const qos = random.pick([1, 2] as const);
  const record: SubscriberRecord = { name, qos, isMember: false, spans: [], deliveries: [] };
  const subscriptions = new Subscriptions(record, "", scene.ticker, scene.faults);
  const complete = Promise.withResolvers<"complete">();
  const missing = new Map(wanted);
  const client = new StrictClient(
    { name, port: scene.port, protocol: random.pick([4, 5] as const), keepsSession: false },
    {
      acknowledged: () => {},
      message({ topic, payload, retain }) {
        const number = numberOf(payload);
        const last = wanted.get(topic);
        if (retain && last !== undefined && number < last)
          scene.faults.add("retained is older than acknowledged", `${topic}: ${number} behind ${last}`);
        if (last === undefined || number >= last) missing.delete(topic);
        if (missing.size === 0) complete.resolve("complete");
      },
      answerDelayMs: () => 0,
    },
    scene.faults,
    subscriptions,
  );
  if (!(await client.connect())) return false;
  client.request("subscribe", filter);
  if (missing.size === 0) complete.resolve("complete");
  const outcome = await Promise.race([complete.promise, client.closed, pause(answerMsMax, scene.over)]);
  if (outcome !== "complete" && client.isOpen && !scene.over.aborted)
    scene.faults.add("retained messages did not come", `${name}: ${[...missing.keys()].join(", ")}`);
  client.drop("disconnect");
  return outcome === "complete";
}

function numberOf(payload: string | Buffer): number {
  return Number(payload.toString("latin1").split(" ", 2)[1]);
}
