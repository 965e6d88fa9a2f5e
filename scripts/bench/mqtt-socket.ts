// One MQTT connection of the load generator: a raw socket, packets by callback.
import { connect } from "node:net";
import { disconnectPacket, encodeConnect, packetType, type ConnectOptions } from "./packets.ts";
import { PacketScanner, type OnPacket } from "./packet-scanner.ts";

export interface MqttSocket {
  write(bytes: Uint8Array): void;
  /** Reads nothing any more. */
  stall(): void;
  /** Rejects when the node closes the connection; never resolves. */
  readonly lost: Promise<never>;
  close(): void;
}

export interface PacketHandlers {
  readonly onPacket: OnPacket;
  /** All packets of a chunk have been handed over. */
  onChunkEnd?(): void;
}

/** The broker does not speak the protocol that was asked for. */
export class NotSupported extends Error {
  override readonly name = "NotSupported";
}

/** What arrives is handed over before the next read of any socket, so that they all share it. */
const readBuffer = new Uint8Array(256 * 1024);
const closeMsMax = 500;

/** Resolves when the node has accepted the connection. Rejects with NotSupported when it refuses the protocol. */
export async function openMqttSocket(
  port: number,
  clientId: string,
  handlers: PacketHandlers,
  options: ConnectOptions = {},
): Promise<MqttSocket> {
  const accepted = Promise.withResolvers<void>();
  let isAccepted = false;
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  const scanner = new PacketScanner((firstByte, bytes, bodyAt, endAt) => {
    if (firstByte >> 4 !== packetType.connack) handlers.onPacket(firstByte, bytes, bodyAt, endAt);
    else answered(bytes[bodyAt + 1] ?? 0);
  });
  const onread = {
    buffer: readBuffer,
    callback(count: number, bytes: Uint8Array) {
      scanner.push(count === bytes.length ? bytes : bytes.subarray(0, count));
      handlers.onChunkEnd?.();
      return true;
    },
  };
  const socket = connect({ host: "127.0.0.1", port, noDelay: true, onread });
  const fail = (error: Error): void => {
    accepted.reject(error);
    lost.reject(error);
    socket.destroy();
  };
  const ended = (reason: string): void => {
    if (options.protocol === 5 && !isAccepted) fail(new NotSupported(`no MQTT 5: ${reason}`));
    else fail(new Error(`the connection ${clientId} to port ${port} ended: ${reason}`));
  };
  const answered = (code: number): void => {
    if (code !== 0) return ended(`refused with code ${code}`);
    isAccepted = true;
    accepted.resolve();
  };
  socket.on("error", (error) => ended(error.message));
  socket.on("close", () => ended("closed by the node"));
  socket.write(encodeConnect(clientId, options));
  await accepted.promise;
  return {
    write: (bytes) => void socket.write(bytes),
    stall: () => void socket.pause(),
    lost: lost.promise,
    close() {
      socket.removeAllListeners("close");
      socket.end(disconnectPacket);
      socket.resume();
      setTimeout(() => socket.destroy(), closeMsMax).unref();
    },
  };
}
