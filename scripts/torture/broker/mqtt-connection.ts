// One network connection of a strict client: bytes to packets and back by mqtt-packet, which knows nothing of Fogbank.
import { connect, type Socket } from "node:net";
import { generate, parser as createParser, type Packet, type Parser } from "mqtt-packet";

/** MQTT 3.1.1 and 5. */
export type ProtocolVersion = 4 | 5;

export interface MqttConnection {
  send(packet: Packet): void;
  /** With RST: what is on its way is lost, in both directions. */
  reset(): void;
  /** When what was sent has left. */
  end(): void;
  /** Settles when it is over, whoever ended it. */
  readonly closed: Promise<void>;
}

/** `onPacket` gets everything that arrives; `onBad` hears of bytes that are no packet. Never rejects: a port without listener is a connection that closes. */
export function openConnection(
  port: number,
  protocolVersion: ProtocolVersion,
  onPacket: (packet: Packet) => void,
  onBad: (why: string) => void,
): MqttConnection {
  const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const parser: Parser = createParser({ protocolVersion });
  const cut = packetCutter((bytes) => parser.parse(bytes));
  parser.on("packet", onPacket);
  parser.on("error", (error: unknown) => onBad(error instanceof Error ? error.message : String(error)));
  socket.on("data", cut);
  socket.on("error", () => {}); // its close says enough
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  return {
    send: (packet) => void socket.write(generate(packet, { protocolVersion })),
    reset: () => void socket.resetAndDestroy(),
    end: () => void socket.end(),
    closed,
  };
}

/** Cuts a stream into packets: mqtt-packet looks beyond the end of some packets when more bytes follow. */
function packetCutter(onPacket: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let size = packetSize(rest); size !== undefined; size = packetSize(rest)) {
      const packet = rest.subarray(0, size);
      rest = rest.subarray(size);
      onPacket(packet);
    }
  };
}

/** Bytes of the first packet, if it is all there. */
function packetSize(bytes: Buffer): number | undefined {
  let length = 0;
  for (let at = 1; at < 5; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) return bytes.length < at + 1 + length ? undefined : at + 1 + length;
  }
  return 1; // no length at all: the parser says so
}
