// What happens between a publish of a client and its routing by aedes: checks, interceptors, and what their verdict means on the wire.
//
// aedes acknowledges after `authorizePublish` answers, so holding the answer holds the acknowledgement.
import type { Client } from "aedes";
import { limits } from "#shared/limits.ts";
import { isTopicName } from "#shared/mqtt/topic.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Message, Verdict } from "#shared/system/bus.ts";
import type { AedesPacket } from "./aedes-internals.ts";
import type { Authorizer, ClientInfo } from "./broker.ts";
import { passVerdict, type InProcess } from "./in-process.ts";

/** Where a taken message goes: nobody may subscribe to it. */
export const takenTopic = "$taken";

/** What is known of one connection while it lasts. */
export interface Connection {
  readonly info: ClientInfo;
  /** Aborted when the connection is closed. */
  readonly closed: AbortController;
  /** What it was allowed to subscribe to. */
  readonly filters: Set<string>;
  heldPublishes: number;
  heldBytes: number;
  /** A refused publish has doomed this connection. */
  isClosing: boolean;
}

export interface InboundDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly inProcess: InProcess;
  readonly authorizer: Authorizer;
  /** Whether the session has this QoS 2 message already. */
  hasIncoming(clientId: string, messageId: number): boolean;
}

type Answer = (error?: Error | null) => void;

/** One publish packet on its way, with the connection that waits for its acknowledgement. */
interface Arrival {
  readonly client: Client;
  readonly connection: Connection;
  readonly packet: AedesPacket;
  /** Lets aedes acknowledge and route. Never called for a refused QoS 1 or 2. */
  readonly answer: Answer;
}

type Refusal = Extract<Verdict, { type: "refuse" }>;

const notAllowed: Refusal = { type: "refuse", reason: "not allowed", now: true };

export class Inbound {
  readonly #deps: InboundDeps;
  /** QoS 2 messages that wait for their verdict, each with its repetitions on newer connections of the same session. */
  readonly #undecided = new Map<string | Client, Map<number, Arrival[]>>();
  publishesIn = 0;
  publishesTaken = 0;
  publishesRefused = 0;

  constructor(deps: InboundDeps) {
    this.#deps = deps;
  }

  /** Whether more bytes of the connection may be read. Each verdict makes aedes ask again. */
  hasRoom(connection: Connection): boolean {
    return connection.heldPublishes < limits.heldPublishes && connection.heldBytes < limits.heldPublishBytes;
  }

  /** A publish from the wire. */
  publish(arrival: Arrival): void {
    const { client, packet } = arrival;
    const { messageId } = packet;
    if (packet.qos !== 2 || messageId === undefined) {
      this.#decide(arrival);
      return;
    }
    if (this.#deps.hasIncoming(client.id, messageId)) {
      arrival.answer(null); // aedes knows it too, and only confirms it again [MQTT-4.3.3-2]
      return;
    }
    const key = sessionKey(client);
    const arrivals = this.#undecided.get(key) ?? new Map<number, Arrival[]>();
    this.#undecided.set(key, arrivals);
    const waiting = arrivals.get(messageId);
    if (waiting === undefined) {
      arrivals.set(messageId, [arrival]);
      this.#decide(arrival);
    } else waiting.push(arrival);
  }

  /** The will of a connection that broke. Nobody waits for an acknowledgement: a refused one is swallowed. */
  will(connection: Connection, packet: AedesPacket, answer: Answer): void {
    this.publishesIn++;
    const message = messageOf(packet);
    this.#judge(connection, message, false, (verdict) => {
      if (verdict.type === "pass") this.#deps.inProcess.deliver(message);
      else this.#swallow(packet, verdict);
      answer(null);
    });
  }

  #decide(arrival: Arrival): void {
    this.publishesIn++;
    const { connection, packet } = arrival;
    const message = messageOf(packet);
    const repeated = packet.dup === true;
    const bytes = message.payload.length + message.topic.length;
    connection.heldPublishes++;
    connection.heldBytes += bytes;
    this.#judge(connection, message, repeated, (verdict) => {
      const arrivals = this.#takeRepetitions(arrival);
      if (verdict.type === "refuse" && packet.qos > 0) {
        this.publishesRefused++;
        for (const refused of arrivals) this.#closeRefused(refused, verdict);
        return; // stays held until the connection closes
      }
      connection.heldPublishes--;
      connection.heldBytes -= bytes;
      if (verdict.type === "pass") this.#deps.inProcess.deliver(message);
      for (const { packet: accepted } of arrivals) if (verdict.type !== "pass") this.#swallow(accepted, verdict);
      for (const { answer } of arrivals) answer(null);
    });
  }

  #judge(connection: Connection, message: Message, repeated: boolean, done: (verdict: Verdict) => void): void {
    const { inProcess, authorizer } = this.#deps;
    const { topic } = message;
    if (!isTopicName(topic) || !authorizer.publish(connection.info, topic)) done(notAllowed);
    else if (!inProcess.hasInterceptor(topic)) done(passVerdict);
    else inProcess.judge({ ...message, clientId: connection.info.clientId, repeated }, done);
  }

  #closeRefused({ client, connection }: Arrival, verdict: Refusal): void {
    const { clock, log } = this.#deps;
    const { clientId } = connection.info;
    if (verdict.now === true) {
      log.debug({ clientId, reason: verdict.reason }, "publish refused");
      client.conn.destroy();
    } else if (!connection.isClosing) {
      connection.isClosing = true;
      log.debug({ clientId, reason: verdict.reason, closeInMs: limits.refusedPublishHoldMs }, "publish refused");
      clock.sleep(limits.refusedPublishHoldMs, connection.closed.signal).then(
        () => client.conn.destroy(),
        () => {},
      );
    }
  }

  /** The arrival and, at QoS 2, what repeats it. From now on a repetition is a new arrival. */
  #takeRepetitions(arrival: Arrival): readonly Arrival[] {
    const { client, packet } = arrival;
    if (packet.qos !== 2 || packet.messageId === undefined) return [arrival];
    const key = sessionKey(client);
    const arrivals = this.#undecided.get(key);
    const waiting = arrivals?.get(packet.messageId) ?? [arrival];
    arrivals?.delete(packet.messageId);
    if (arrivals?.size === 0) this.#undecided.delete(key);
    return waiting;
  }

  /** Makes aedes acknowledge the packet and route it to nobody. */
  #swallow(packet: AedesPacket, verdict: Verdict): void {
    if (verdict.type === "take") this.publishesTaken++;
    else this.publishesRefused++;
    packet.topic = takenTopic;
    packet.retain = false;
  }
}

/** What tells messages with the same packet identifier apart: the session, which a clean one shares with its connection. */
function sessionKey(client: Client): string | Client {
  return client.clean ? client : client.id;
}

function messageOf(packet: AedesPacket): Message {
  const { topic, payload, qos, retain } = packet;
  return { topic, payload: typeof payload === "string" ? Buffer.from(payload) : payload, qos, retain };
}
