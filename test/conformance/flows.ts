// The exchanges of packets that most conformance tests are made of, each step awaited.
import type { PacketOf, RawClient } from "../fakes/raw-client.ts";

type Qos = 0 | 1 | 2;

export interface Outgoing {
  readonly payload?: string | Buffer;
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly messageId?: number;
}

/** A message as a subscriber got it. */
export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly messageId: number | undefined;
}

let lastMessageId = 0;

/** A packet identifier that no client has used lately. */
function freshId(): number {
  lastMessageId = (lastMessageId % 65_535) + 1;
  return lastMessageId;
}

/** Subscribes, and answers the codes of SUBACK. What is retained there stays to be read. */
export async function subscribe(
  client: RawClient,
  filters: Readonly<Record<string, Qos>>,
): Promise<readonly unknown[]> {
  const messageId = freshId();
  const subscriptions = Object.entries(filters).map(([topic, qos]) => ({ topic, qos }));
  await client.sendPacket({ cmd: "subscribe", messageId, subscriptions });
  return (await client.answer("suback", messageId)).granted;
}

export async function unsubscribe(client: RawClient, ...unsubscriptions: readonly string[]): Promise<void> {
  const messageId = freshId();
  await client.sendPacket({ cmd: "unsubscribe", messageId, unsubscriptions: [...unsubscriptions] });
  await client.answer("unsuback", messageId);
}

/** Sends PUBLISH and nothing more; answers its packet identifier. */
export async function sendPublish(client: RawClient, topic: string, outgoing: Outgoing = {}): Promise<number> {
  const { payload = "x", qos = 0, retain = false, dup = false, messageId = freshId() } = outgoing;
  const packet = { cmd: "publish", topic, payload, qos, retain, dup } as const;
  await client.sendPacket(qos === 0 ? packet : { ...packet, messageId });
  return messageId;
}

/** Publishes with every answer that the QoS asks for: when it resolves, the broker has taken the message over. */
export async function publish(client: RawClient, topic: string, outgoing: Outgoing = {}): Promise<void> {
  const messageId = await sendPublish(client, topic, outgoing);
  if (outgoing.qos === 1) await client.answer("puback", messageId);
  else if (outgoing.qos === 2) {
    await client.answer("pubrec", messageId);
    await release(client, messageId);
  } else await client.ping();
}

/** The second half of publishing with QoS 2. */
export async function release(client: RawClient, messageId: number): Promise<void> {
  await client.sendPacket({ cmd: "pubrel", messageId });
  await client.answer("pubcomp", messageId);
}

/** The next message, not acknowledged. */
export async function receiveOnly(client: RawClient): Promise<Received> {
  return receivedOf(await client.answer("publish"));
}

/** The next message, acknowledged as its QoS asks for. */
export async function receive(client: RawClient): Promise<Received> {
  const message = await receiveOnly(client);
  await acknowledge(client, message);
  return message;
}

export async function acknowledge(client: RawClient, { qos, messageId }: Received): Promise<void> {
  if (messageId === undefined) return;
  if (qos === 1) await client.sendPacket({ cmd: "puback", messageId });
  if (qos !== 2) return;
  await client.sendPacket({ cmd: "pubrec", messageId });
  await client.answer("pubrel", messageId);
  await client.sendPacket({ cmd: "pubcomp", messageId });
}

/** The next `count` messages, acknowledged. */
export async function receiveAll(client: RawClient, count: number): Promise<readonly Received[]> {
  const messages: Received[] = [];
  for (let at = 0; at < count; at++) messages.push(await receive(client));
  return messages;
}

export async function receiveTexts(client: RawClient, count: number): Promise<readonly string[]> {
  return (await receiveAll(client, count)).map(({ text }) => text);
}

/** What arrived without being asked for until now, as messages; anything else is a failure. Acknowledges nothing. */
export async function pendingMessages(client: RawClient): Promise<readonly Received[]> {
  await client.ping();
  const messages: Received[] = [];
  while (client.unread.length > 0) messages.push(receivedOf(await client.expect("publish")));
  return messages;
}

function receivedOf({ topic, payload, qos, retain, dup, messageId }: PacketOf<"publish">): Received {
  return { topic, text: payload.toString(), qos, retain, dup, messageId: messageId ?? undefined };
}
