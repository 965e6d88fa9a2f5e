// One MQTT connection of the load generator: a raw socket, packets by callback.
import { connect } from "node:net";
import { disconnectPacket, encodeConnect, packetType } from "./packets.ts";
import { PacketScanner, type OnPacket } from "./packet-scanner.ts";

export interface MqttSocket {
  write(bytes: Uint8Array): void;
  /** Rejects when the node closes the connection; never resolves. */
  readonly lost: Promise<never>;
  close(): void;
}

export interface PacketHandlers {
  readonly onPacket: OnPacket;
  /** All packets of a chunk have been handed over. */
  onChunkEnd?(): void;
}

/** Resolves when the node has accepted the connection. */
export async function openMqttSocket(port: number, clientId: string, handlers: PacketHandlers): Promise<MqttSocket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const accepted = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  const fail = (reason: string): void => {
    const error = new Error(`the connection ${clientId} to port ${port} ended: ${reason}`);
    accepted.reject(error);
    lost.reject(error);
    socket.destroy();
  };
  const onPacket: OnPacket = (firstByte, bytes, bodyAt, endAt) => {
    if (firstByte >> 4 !== packetType.connack) handlers.onPacket(firstByte, bytes, bodyAt, endAt);
    else if (bytes[bodyAt + 1] === 0) accepted.resolve();
    else fail(`refused with code ${bytes[bodyAt + 1]}`);
  };
  const scanner = new PacketScanner(onPacket);
  socket.on("data", (chunk) => {
    scanner.push(chunk);
    handlers.onChunkEnd?.();
  });
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => fail("closed by the node"));
  socket.write(encodeConnect(clientId));
  await accepted.promise;
  return {
    write: (bytes) => void socket.write(bytes),
    lost: lost.promise,
    close() {
      socket.removeAllListeners("close");
      socket.end(disconnectPacket);
    },
  };
}
