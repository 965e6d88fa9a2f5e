// u8-mqtt as a real client: another code base than mqtt.js, with a codec of its own. It does not know QoS 2.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { mqtt_v4, mqtt_v5, type U8Client } from "u8-mqtt";
import { Arrivals, type ClientKind, type RealPublish, type RealSubscriber } from "./real-client.ts";

export function u8Client(version: 4 | 5): ClientKind {
  const started = async (port: number, packet: object): Promise<Opened> => open(version, port, packet);
  let publishers = 0;
  return {
    name: `u8-mqtt, MQTT ${version === 5 ? "5" : "3.1.1"}`,
    version,
    qosMax: 1,
    leavesWithWill: false,
    async publish(port, message) {
      const { client, socket } = await started(port, { client_id: `u8-${version}-publisher-${publishers++}` });
      // At QoS 0 `pub` of version 0.6.7 waits for an answer to no packet identifier, and throws.
      const packet = packetOf(message);
      const answer = await (message.qos === 0 ? client["_send"]("publish", packet) : client.pub(packet));
      if (answer !== true && answer[0] === undefined) throw new Error(`not acknowledged: ${answer[1]}`);
      await leave(client, socket);
    },
    async subscribe(port, { clientId, filter, qos, sessionSeconds, resumes }) {
      const opened = await started(port, {
        client_id: clientId,
        flags: { clean_start: sessionSeconds === undefined },
        ...(sessionSeconds !== undefined && version === 5 && { props: { session_expiry_interval: sessionSeconds } }),
      });
      if (resumes !== true) {
        const [granted] = await opened.client.subscribe({ topics: [[filter, { qos }]] });
        if (granted === undefined) throw new Error("not subscribed");
      }
      return subscriberOf(opened);
    },
    async connectWithWill(port, clientId, will) {
      const { topic, payload, qos, retain } = packetOf(will);
      const packet = { client_id: clientId, flags: { clean_start: true }, will: { topic, payload, qos, retain } };
      return subscriberOf(await started(port, packet));
    },
  };
}

interface Opened {
  readonly client: U8Client;
  readonly socket: Socket;
  readonly arrivals: Arrivals;
}

async function open(version: 4 | 5, port: number, packet: object): Promise<Opened> {
  const arrivals = new Arrivals();
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  const client: U8Client = (version === 5 ? mqtt_v5 : mqtt_v4)({
    log_conn: () => {},
    on_error: () => {},
    on_disconnect: () => {},
  });
  client.on_topic("*", ({ topic, payload, qos, retain }) => {
    arrivals.take({ topic, payload: payload.slice(), qos, retain });
  });
  await client.with_stream(socket).connect({ flags: { clean_start: true }, ...packet });
  return { client, socket, arrivals };
}

function packetOf({ topic, payload, qos, retain, expirySeconds }: RealPublish) {
  const properties = expirySeconds === undefined ? {} : { props: { message_expiry_interval: expirySeconds } };
  return { topic, payload: Buffer.from(payload), qos, retain: retain === true, ...properties };
}

function subscriberOf({ client, socket, arrivals }: Opened): RealSubscriber {
  return {
    received: arrivals.received,
    until: (count) => arrivals.until(count),
    leave: () => leave(client, socket),
    async kill() {
      const closed = once(socket, "close");
      socket.resetAndDestroy();
      await closed;
    },
  };
}

async function leave(client: U8Client, socket: Socket): Promise<void> {
  const closed = once(socket, "close");
  await client.disconnect();
  socket.end();
  await closed;
}
