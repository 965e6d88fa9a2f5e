// A whole broker and whatever bytes: it never throws, other clients go on, the connection ends or stays consistent, and an MQTT 5
// client learns why.
import fc from "fast-check";
import { generate, parser, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { limits } from "#shared/limits.ts";
import type { ProtocolLevel } from "#shared/mqtt/connect-packet.ts";
import { CoreBench } from "../fakes/core-bench.ts";
import { bytesOf, corpus } from "./corpus.ts";
import { decodeStream } from "./decode-stream.ts";
import { anyDamage, anyPacket, damaged, encode } from "./valid-packets.ts";

function connectPacket(level: ProtocolLevel, clean: boolean): Uint8Array {
  return generate({
    cmd: "connect",
    protocolId: level === 3 ? "MQIsdp" : "MQTT",
    protocolVersion: level,
    clientId: "hostile",
    clean,
    keepalive: 0,
    ...(level === 5 && { properties: { sessionExpiryInterval: clean ? 0 : 60 } }),
  });
}

/** Sends the bytes in pieces, ends, and reads the answers to the end. */
async function exchange(
  bench: CoreBench,
  bytes: Uint8Array,
  pieceBytes: number,
  level: number,
): Promise<readonly Packet[]> {
  const socket = await bench.socket();
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  const answers: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void answers.push(chunk));
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    socket.write(bytes.subarray(at, at + pieceBytes));
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await closed;
  return packetsOf(Buffer.concat(answers), level);
}

/** Throws for what is no packet; one that was cut off by the end is left out. */
function packetsOf(bytes: Buffer, level: number): readonly Packet[] {
  const found: Packet[] = [];
  const one = parser({ protocolVersion: level });
  one.on("packet", (packet) => void found.push(packet));
  one.on("error", (error: unknown) => {
    throw new Error("the broker sent a bad packet", { cause: error });
  });
  for (let at = 0; at < bytes.length;) {
    let size = 0;
    let next = at + 1;
    for (let scale = 1; next < bytes.length; scale *= 128) {
      const byte = bytes[next++] ?? 0;
      size += (byte & 127) * scale;
      if (byte < 128) break;
    }
    one.parse(bytes.subarray(at, next + size));
    at = next + size;
  }
  return found;
}

/** Whether the decoders alone say that a client of MQTT 5 did wrong. */
function isWrong(bytes: Uint8Array): boolean {
  try {
    decodeStream([bytes], 5, limits.packetBytes);
    return false;
  } catch {
    return true;
  }
}

/** What came back when the client had been accepted. */
function checkAnswers(answers: readonly Packet[], level: number, mustBeTold: boolean): void {
  const [first, ...others] = answers;
  if (first === undefined) return; // cut off by its own end before the answer had left
  expect(first.cmd).toBe("connack");
  const disconnects = others.filter(({ cmd }) => cmd === "disconnect");
  expect(disconnects.length).toBeLessThanOrEqual(level === 5 ? 1 : 0);
  if (disconnects.length > 0) expect(others.at(-1)).toMatchObject({ cmd: "disconnect" });
  const reasons = disconnects.map((packet) => (packet.cmd === "disconnect" ? (packet.reasonCode ?? 0) : 0));
  if (mustBeTold) expect(reasons.map((code) => code >= 0x80)).toEqual([true]);
}

const anyLevel = fc.constantFrom<ProtocolLevel>(3, 4, 5, 5);
const anyBytes = fc.uint8Array({ maxLength: 200 });
const anySpoiled = fc.tuple(fc.array(anyPacket, { minLength: 1, maxLength: 8 }), anyDamage);

test("arbitrary bytes and spoiled packets end their own connection at most [B3]", async () => {
  await using bench = await CoreBench.start();
  const other = await bench.client("other");
  const anyCase = fc.record({
    level: anyLevel,
    isConnected: fc.boolean(),
    clean: fc.boolean(),
    body: fc.oneof({ weight: 1, arbitrary: anyBytes }, { weight: 3, arbitrary: anySpoiled }),
    pieceBytes: fc.constantFrom(10_000, 10_000, 7),
  });
  await fc.assert(
    fc.asyncProperty(anyCase, async ({ level, isConnected, clean, body, pieceBytes }) => {
      const spoiled =
        body instanceof Uint8Array
          ? body
          : damaged(Buffer.concat(body[0].map((packet) => encode(packet, level))), body[1]);
      const connect = connectPacket(level, clean);
      const bytes = isConnected ? Buffer.concat([connect, spoiled]) : spoiled;
      const answers = await exchange(bench, bytes, pieceBytes, level);
      if (isConnected) checkAnswers(answers, level, level === 5 && isWrong(spoiled));
      await other.silent();
      const { queuedBytes, sessions, connections } = bench.broker.stats();
      expect(queuedBytes).toBeLessThan(limits.storedQueueBytes);
      expect(sessions).toBeLessThanOrEqual(1);
      expect(connections).toBeLessThanOrEqual(2);
    }),
    { numRuns: 700 },
  );
  expect(bench.broker.clients().map(({ clientId }) => clientId)).toEqual(["other"]);
  await bench.proveAlive();
}, 60_000);

test.each([3, 4, 5] as const)(
  "what the corpus holds ends its own connection at most, at level %d [B3]",
  async (level) => {
    await using bench = await CoreBench.start();
    const other = await bench.client("other");
    for (const entry of corpus) {
      const bytes = bytesOf(entry);
      await exchange(bench, bytes, 10_000, level);
      const answers = await exchange(bench, Buffer.concat([connectPacket(level, true), bytes]), 10_000, level);
      const untold = () => `${entry.what}: ${JSON.stringify(answers)}`;
      if (level === 5 && entry.isWrong) expect(answers.at(-1), untold()).toMatchObject({ cmd: "disconnect" });
      checkAnswers(answers, level, level === 5 && entry.isWrong === true);
      await other.silent();
    }
    await bench.proveAlive();
  },
);
