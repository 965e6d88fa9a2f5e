// A client that subscribes and writes down what comes. It leaves now and then, for a moment or for long, answers at once or late, and
// may give up some of its subscriptions and ask for them again.
import type { IPublishPacket } from "mqtt-packet";
import type { MessagePlan } from "../message-plan.ts";
import type { Seeded } from "../seeded.ts";
import type { ProtocolVersion } from "./mqtt-connection.ts";
import type { SubscriberRecord } from "./record.ts";
import { keepConnected, pause, type Scene } from "./scene.ts";
import { StrictClient } from "./strict-client.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface TortureSubscriber {
  readonly record: SubscriberRecord;
  readonly client: StrictClient;
  /** Copies that came again at QoS 1 and 2, by DUP. */
  repeats(): number;
  readonly finished: Promise<void>;
}

export interface SubscriberOptions {
  readonly name: string;
  readonly protocol: ProtocolVersion;
  readonly qos: 1 | 2;
  readonly keepsSession: boolean;
  /** Of the group that it is a member of. */
  readonly group?: string;
  readonly filters: readonly string[];
  /** Filters that it gives up and asks for again. */
  readonly changing: readonly string[];
  /** Milliseconds that it is there, and away, at most. */
  readonly onlineMsMax: number;
  readonly awayMsMax: number;
  /** Who may give up a filter now: once what was retained has come, for instance. */
  mayRelease(record: SubscriberRecord, filter: string): boolean;
}

const answerMsMax = 40;
const changeMsMin = 200;
const changeMsMax = 1_500;

export function startSubscriber(
  scene: Scene,
  plans: ReadonlyMap<string, MessagePlan>,
  options: SubscriberOptions,
  random: Seeded,
): TortureSubscriber {
  const { name, protocol, qos, keepsSession, group } = options;
  const record: SubscriberRecord = { name, qos, isMember: group !== undefined, spans: [], deliveries: [] };
  const prefix = group === undefined ? "" : `$share/${group}/`;
  const subscriptions = new Subscriptions(record, prefix, scene.ticker, scene.faults);
  const behaviour = random.fork("behaviour");
  const answers = random.fork("answers");
  let repeats = 0;
  let isPrompt = true;
  const client = new StrictClient(
    { name, port: scene.port, protocol, keepsSession },
    {
      acknowledged: () => {},
      message(packet, isRepeated) {
        if (packet.dup) repeats++;
        if (!isRepeated) deliver(packet);
      },
      answerDelayMs: () => (isPrompt || scene.calm.aborted ? 0 : answers.between(1, answerMsMax)),
    },
    scene.faults,
    subscriptions,
  );
  return { record, client, repeats: () => repeats, finished: live() };

  async function live(): Promise<void> {
    const changing = changeSubscriptions();
    await keepConnected(client, scene, async (closed) => {
      for (const filter of options.filters)
        if (subscriptions.spanOf(filter) === undefined) client.request("subscribe", filter);
      isPrompt = behaviour.unit() < 0.5;
      const stayMs = behaviour.between(100, options.onlineMsMax);
      const awayMs = behaviour.unit() < 0.7 ? behaviour.between(0, 200) : behaviour.between(0, options.awayMsMax);
      const how = behaviour.pick(["disconnect", "reset", "takeover"] as const);
      await Promise.race([closed, pause(stayMs, scene.calm)]);
      if (scene.calm.aborted) await closed;
      else client.drop(how);
      await pause(awayMs, scene.calm);
    });
    await changing;
  }

  async function changeSubscriptions(): Promise<void> {
    while (!scene.calm.aborted && options.changing.length > 0) {
      await pause(behaviour.between(changeMsMin, changeMsMax), scene.calm);
      const filter = behaviour.pick(options.changing);
      if (scene.calm.aborted || !subscriptions.isSettled) continue;
      if (subscriptions.spanOf(filter) === undefined) client.request("subscribe", filter);
      else if (options.mayRelease(record, filter)) client.request("unsubscribe", filter);
    }
  }

  function deliver({ topic, payload, qos: granted, retain }: IPublishPacket): void {
    const bytes = Buffer.from(payload);
    const publisher = bytes.toString("latin1", 0, 40).split(" ", 1)[0] ?? "";
    const plan = plans.get(publisher);
    const number = plan?.numberOf(bytes);
    if (plan === undefined || number === undefined) {
      scene.faults.add("delivered, never sent", `${name}: ${topic}`);
      return;
    }
    const planned = plan.message(number);
    if (planned.topic !== topic || !planned.payload.equals(bytes))
      scene.faults.add("delivered other than sent", `${name}: ${publisher} ${number}`);
    record.deliveries.push({ publisher, number, topic, qos: granted, isRetained: retain, at: scene.ticker.next() });
  }
}
