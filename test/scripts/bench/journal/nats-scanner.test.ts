import fc from "fast-check";
import { expect, test } from "vitest";
import { NatsScanner } from "../../../../scripts/bench/journal/nats-scanner.ts";

/** Everything that a scanner says of these chunks, in order. */
function heard(chunks: readonly Buffer[]): readonly string[] {
  const log: string[] = [];
  const scanner = new NatsScanner({
    onMessage: (subscription, payload) => log.push(`${subscription}: ${Buffer.from(payload).toString("latin1")}`),
    onPing: () => log.push("ping"),
    onInfo: () => log.push("info"),
    onError: (text) => log.push(`error ${text}`),
  });
  for (const chunk of chunks) scanner.push(chunk);
  return log;
}

const stream = Buffer.from(
  `INFO {"a":1}\r\nPING\r\nMSG data.x 7 3\r\na\r\n\r\nMSG data.x 12 _INBOX.1 0\r\n\r\nPONG\r\n+OK\r\n-ERR 'Stale'\r\n`,
);
const said = ["info", "ping", "7: a\r\n", "12: ", "error 'Stale'"];

test("a payload is taken by its length, whatever is in it, with a reply subject or without", () => {
  expect(heard([stream])).toEqual(said);
});

test("it does not matter where the reads cut the stream", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 10 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const chunks = at.slice(1).map((end, i) => stream.subarray(at[i], end));
      expect(heard(chunks)).toEqual(said);
    }),
  );
});

test("memory of a read that is used again does not change what was kept of it", () => {
  const first = Buffer.from("MSG a 1 4\r\nab");
  const scanned: string[] = [];
  const scanner = new NatsScanner({
    onMessage: (_, payload) => scanned.push(Buffer.from(payload).toString()),
    onPing: () => undefined,
    onInfo: () => undefined,
    onError: () => undefined,
  });
  scanner.push(first);
  first.fill(0);
  scanner.push(Buffer.from("cd\r\n"));
  expect(scanned).toEqual(["abcd"]);
});

test("a message without a length is an error", () => {
  expect(() => heard([Buffer.from("MSG a 1 x\r\n")])).toThrow(/no NATS message/);
});
