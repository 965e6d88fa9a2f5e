// What MQTT 5 subscribers of `/from/…` are told about a message besides its payload: user properties with its identity, the time at its
// origin, and whether it is a replay. Clients of version 3.1.1 get the payload alone.
import { segmentFlags } from "#shared/journal/segment.ts";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import type { StoredSegment } from "../store/segment-repository.ts";

/** A property that only stands where it is so. */
function mark(name: string): [string, string] {
  return [name, "true"];
}

/** Encodes the properties of one message of the segment; what they have in common is encoded once. */
export function fromProperties(segment: StoredSegment, stream: string): (seq: number, timeMs: number) => Uint8Array {
  const { origin, epoch, flags } = segment;
  const common = encodeProperties({
    userProperties: [
      ["origin", origin],
      ["epoch", String(epoch)],
      ["stream", stream],
      ["historical", (flags & segmentFlags.historical) === 0 ? "false" : "true"],
      ...((flags & segmentFlags.maybeDuplicate) === 0 ? [] : [mark("maybe-duplicate")]),
      ...((flags & segmentFlags.unsynced) === 0 ? [] : [mark("time-uncertain")]),
    ],
  });
  return (seq, timeMs) => {
    const own = encodeProperties({
      userProperties: [
        ["seq", String(seq)],
        ["time", new Date(timeMs).toISOString()],
      ],
    });
    const properties = new Uint8Array(common.length + own.length);
    properties.set(common);
    properties.set(own, common.length);
    return properties;
  };
}
