import fc from "fast-check";
import { expect, test } from "vitest";
import { PacketGauge } from "#agent/broker/packet-gauge.ts";

function packet(type: number, bodyBytes: number): number[] {
  const header = [type];
  let left = bodyBytes;
  do {
    header.push((left % 128) + (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return [...header, ...Array<number>(bodyBytes).fill(0xff)];
}

test("legal packets pass, however they are cut into pieces", () => {
  const sizes = fc.array(fc.nat({ max: 300 }), { maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 50 }), (bodies, pieceBytes) => {
      const bytes = Uint8Array.from([...packet(0x10, 12), ...bodies.flatMap((body) => packet(0x30, body))]);
      const gauge = new PacketGauge(310);
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        expect(gauge.take(bytes.subarray(at, at + pieceBytes))).toBe("ok");
      }
    }),
  );
});

test("the limit counts the whole packet, and is known from the header", () => {
  const connect = Uint8Array.from(packet(0x10, 12));
  const fits = new PacketGauge(200);
  expect([fits.take(connect), fits.take(Uint8Array.from(packet(0x30, 197)))]).toEqual(["ok", "ok"]);
  const exceeds = new PacketGauge(200);
  expect([exceeds.take(connect), exceeds.take(Uint8Array.from(packet(0x30, 198).slice(0, 3)))]).toEqual([
    "ok",
    "too-large",
  ]);
});

test("what does not start with CONNECT, or has an endless length, is not MQTT [MQTT-3.1.0-1]", () => {
  expect(new PacketGauge(1_000).take(Buffer.from("GET / HTTP/1.1"))).toBe("not-mqtt");
  expect(new PacketGauge(2 ** 30).take(Uint8Array.from([0x10, 0xff, 0xff, 0xff]))).toBe("ok");
  expect(new PacketGauge(2 ** 30).take(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0xff]))).toBe("not-mqtt");
});
