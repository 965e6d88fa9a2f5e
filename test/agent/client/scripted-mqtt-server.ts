// An MQTT server that answers as a test tells it to, and otherwise as a friendly one.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";

export interface ScriptedConnection {
  readonly send: (packet: Packet) => void;
  /** Cuts the connection without a goodbye. */
  readonly drop: () => void;
}

/** True when it has dealt with the packet: then nothing else answers. */
export type Script = (packet: Packet, connection: ScriptedConnection) => boolean;

export interface ScriptedMqttServer extends AsyncDisposable {
  readonly port: number;
  /** Everything that came, in order. */
  readonly packets: readonly Packet[];
  /** Stops listening; what is connected stays. */
  close(): void;
}

export async function startScriptedMqttServer(script: Script = () => false): Promise<ScriptedMqttServer> {
  const packets: Packet[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    const connection: ScriptedConnection = {
      send: (packet) => void socket.write(generate(packet)),
      drop: () => void socket.destroy(),
    };
    const packetParser = parser({ protocolVersion: 4 });
    packetParser.on("packet", (packet) => {
      packets.push(packet);
      if (!script(packet, connection)) answer(packet, connection);
    });
    socket.on("data", (bytes) => void packetParser.parse(bytes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    packets,
    close: () => void server.close(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

function answer(packet: Packet, { send }: ScriptedConnection): void {
  switch (packet.cmd) {
    case "connect":
      return send({ cmd: "connack", returnCode: 0, sessionPresent: false });
    case "publish":
      if (packet.qos === 1) send({ cmd: "puback", messageId: packet.messageId ?? 0 });
      if (packet.qos === 2) send({ cmd: "pubrec", messageId: packet.messageId ?? 0 });
      return undefined;
    case "pubrel":
      return send({ cmd: "pubcomp", messageId: packet.messageId ?? 0 });
    case "subscribe":
      return send({
        cmd: "suback",
        messageId: packet.messageId ?? 0,
        granted: packet.subscriptions.map(({ qos }) => qos),
      });
    default:
      return undefined;
  }
}
