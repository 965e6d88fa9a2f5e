import fc from "fast-check";
import mqttPacket from "mqtt-packet";
import { expect, test } from "vitest";
import { PacketScanner } from "../../../scripts/bench/packet-scanner.ts";

const packets = fc.oneof(
  fc
    .integer({ min: 1, max: 0xffff })
    .map((messageId) => mqttPacket.generate({ cmd: "puback", messageId, reasonCode: 0 })),
  fc.constant(mqttPacket.generate({ cmd: "pingresp" })),
  fc.integer({ min: 0, max: 300 }).map((size) =>
    mqttPacket.generate({
      cmd: "publish",
      topic: "/a",
      payload: Buffer.alloc(size),
      qos: 0,
      dup: false,
      retain: false,
    }),
  ),
);

test("the packets of mqtt-packet are found, however the stream is cut into chunks", () => {
  fc.assert(
    fc.property(fc.array(packets, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 30 }), (sent, cuts) => {
      const stream = Buffer.concat(sent);
      const found: Buffer[] = [];
      const scanner = new PacketScanner((firstByte, bytes, bodyAt, endAt) => {
        const lengthBytes = endAt - bodyAt < 128 ? 1 : 2;
        found.push(Buffer.from(bytes.subarray(bodyAt - 1 - lengthBytes, endAt)));
        expect(firstByte).toBe(bytes[bodyAt - 1 - lengthBytes]);
      });
      const points = cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b);
      let from = 0;
      for (const to of [...points, stream.length]) {
        scanner.push(stream.subarray(from, to));
        from = to;
      }
      expect(found).toEqual(sent);
    }),
  );
});

test("a length of more than four bytes is refused", () => {
  const scanner = new PacketScanner(() => undefined);
  expect(() => scanner.push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01))).toThrow("malformed remaining length");
});
