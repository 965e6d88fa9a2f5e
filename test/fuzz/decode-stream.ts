// Framer and decoders in a row, as a connection of the broker uses them, without the broker.
import { readAcknowledgement, readDisconnect } from "#shared/mqtt/acknowledgement-packet.ts";
import { readConnect, type ProtocolLevel } from "#shared/mqtt/connect-packet.ts";
import { Framer } from "#shared/mqtt/framer.ts";
import { decodeText, PacketReader } from "#shared/mqtt/packet-reader.ts";
import { allowedIn, readProperties } from "#shared/mqtt/properties.ts";
import { PublishView } from "#shared/mqtt/publish-packet.ts";
import { readSubscribe, readUnsubscribe } from "#shared/mqtt/subscribe-packet.ts";
import { isTopicFilter, isTopicName, matchesFilter } from "#shared/mqtt/topic.ts";

export interface Decoded {
  readonly packets: number;
  /** The client said goodbye: what follows does not count. */
  readonly hasLeft: boolean;
  /** The most that the framer kept, for each of the bytes that had arrived. */
  readonly keptMax: number;
}

/** Throws what the decoders throw. */
export function decodeStream(pieces: readonly Uint8Array[], level: ProtocolLevel, packetBytesMax: number): Decoded {
  const view = new PublishView();
  let packets = 0;
  let hasLeft = false;
  let keptMax = 0;
  const framer = new Framer(packetBytesMax, (bytes, firstByte, at, end) => {
    packets++;
    if (end - at > packetBytesMax || at > end || end > bytes.length)
      throw new Error("a packet lies outside of its bytes");
    decode(view, bytes, firstByte, at, end, level);
    hasLeft ||= firstByte >> 4 === 14;
    return !hasLeft;
  });
  framer.isStrict = level === 5;
  for (const piece of pieces) {
    if (hasLeft) break;
    framer.take(piece);
    keptMax = Math.max(keptMax, framer.waitingBytes);
  }
  return { packets, hasLeft, keptMax };
}

function decode(
  view: PublishView,
  bytes: Uint8Array,
  firstByte: number,
  at: number,
  end: number,
  level: ProtocolLevel,
): void {
  switch (firstByte >> 4) {
    case 1:
      readConnect(bytes, at, end);
      return;
    case 3: {
      view.read(bytes, firstByte, at, end, level === 5);
      const topic = decodeText(bytes.subarray(view.topicFrom, view.topicTo));
      if (isTopicName(topic)) matchesFilter("+/#", topic);
      return;
    }
    case 4:
    case 5:
    case 6:
    case 7:
      readAcknowledgement(bytes, at, end, level);
      return;
    case 8:
      for (const { filter } of readSubscribe(bytes, at, end, level).requests) isTopicFilter(filter);
      return;
    case 10:
      for (const filter of readUnsubscribe(bytes, at, end, level).filters) isTopicFilter(filter);
      return;
    case 14:
      readDisconnect(bytes, at, end, level);
      return;
    case 15:
      readProperties(new PacketReader(bytes, at, end), allowedIn.authentication);
      return;
    default:
  }
}
