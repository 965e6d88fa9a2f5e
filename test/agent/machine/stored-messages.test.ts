// What was open when the node stopped, one row of which the disk has damaged.
import { expect, test } from "vitest";
import { storedMessages } from "#agent/machine/stored-messages.ts";
import { bytesOfCallId } from "#shared/machine/call-id.ts";
import { encodeRecord } from "#shared/machine/message-record.ts";
import { envelopeOf } from "../../fakes/machine-scene.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const caller = { kind: "local", replies: new Map(), user: "", results: undefined } as const;

function rowOf(id: string) {
  const body = encodeRecord({ envelope: envelopeOf({ id }), caller, cancelled: undefined });
  return { id: bytesOfCallId(id), body };
}

test("[T5] a record that cannot be read is skipped and dropped, the others go on", async () => {
  const [one, two, three, four] = ["1", "2", "3", "4"].map((digit) => digit.repeat(32)) as [
    string,
    string,
    string,
    string,
  ];
  const rows = [
    rowOf(one),
    { id: bytesOfCallId(two), body: Uint8Array.of(0xff, 1) },
    { id: bytesOfCallId(three), body: rowOf(one).body },
    rowOf(four),
  ];
  const dropped: unknown[] = [];
  let reads = 0;
  const store = {
    read: async () => (reads++ === 0 ? rows : []),
    write: async (_: string, { id }: { readonly id: Uint8Array }) => dropped.push(id),
  } as unknown as Parameters<typeof storedMessages>[0];
  const messages = await storedMessages(store, silentLogger());
  expect(messages.map(({ record }) => record.envelope.id)).toEqual([one, four]);
  expect(messages.map(({ bytes }) => bytes)).toEqual([rows[0]?.body.length, rows[3]?.body.length]);
  expect(dropped).toEqual([bytesOfCallId(two), bytesOfCallId(three)]);
});
