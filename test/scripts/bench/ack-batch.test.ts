import mqttPacket from "mqtt-packet";
import { expect, test } from "vitest";
import { AckBatch } from "../../../scripts/bench/ack-batch.ts";
import { ackByte } from "../../../scripts/bench/packets.ts";

test("a batch is byte for byte what mqtt-packet writes, in the order of the calls", () => {
  const commands = ["puback", "pubrec", "pubrel", "pubcomp"] as const;
  const batch = new AckBatch();
  const expected: Buffer[] = [];
  for (let i = 0; i < 1000; i++) {
    const cmd = commands[i % 4] ?? "puback";
    batch.add(ackByte[cmd], 60 * i + 1);
    expected.push(mqttPacket.generate({ cmd, messageId: 60 * i + 1 }));
  }
  expect(Buffer.from(batch.take() ?? [])).toEqual(Buffer.concat(expected));
});

test("what was taken is the caller's, and the next batch begins empty", () => {
  const batch = new AckBatch();
  expect(batch.take()).toBeUndefined();
  batch.add(ackByte.puback, 1);
  const first = batch.take();
  batch.add(ackByte.puback, 2);
  expect(first).toEqual(Uint8Array.of(0x40, 2, 0, 1));
  expect(batch.take()).toEqual(Uint8Array.of(0x40, 2, 0, 2));
});
