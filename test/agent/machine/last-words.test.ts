import { expect, test } from "vitest";
import { LastWords } from "#agent/machine/last-words.ts";
import type { Effect } from "#shared/machine/effect.ts";
import { emptyReceipt } from "#shared/machine/receipt.ts";
import { envelopeOf } from "../../fakes/machine-scene.ts";

const [one, other] = ["1".repeat(32), "2".repeat(32)];

const reply = (id: string, isFinal: boolean): Effect & { readonly type: "reply" } => {
  const to = new Map([["/answers", undefined]]);
  return { type: "reply", to, envelope: envelopeOf({ id }), report: { receipt: emptyReceipt, isFinal } };
};
const drop = (id: string): Effect => ({ type: "drop", id });

function scene() {
  const told: string[] = [];
  const dropping: PromiseWithResolvers<void>[] = [];
  const words = new LastWords(
    (id) => {
      told.push(`drop ${id[0]}`);
      const row = Promise.withResolvers<void>();
      dropping.push(row);
      return row.promise;
    },
    ({ envelope }) => told.push(`say ${envelope.id[0]}`),
  );
  return { told, dropping, words };
}

test("[T5] the last word of a call is said when its row has gone from the disk, and not before", async () => {
  const { told, dropping, words } = scene();
  const progress = reply(other, false);
  expect(words.take([reply(one, true), drop(one), progress, drop(other)])).toEqual([progress, drop(other)]);
  expect(told).toEqual(["drop 1"]);
  dropping[0]?.resolve();
  await dropping[0]?.promise;
  expect(told).toEqual(["drop 1", "say 1"]);
});

test("[T5] where the row cannot be removed the last word is said nevertheless", async () => {
  const { told, dropping, words } = scene();
  words.take([reply(one, true), drop(one)]);
  dropping[0]?.reject(new Error("no room"));
  await expect(dropping[0]?.promise).rejects.toThrow("no room");
  expect(told).toEqual(["drop 1", "say 1"]);
});

test("a last word without a row, and one of another call, are said at once", () => {
  const { words } = scene();
  const effects = [reply(one, true), drop(other)];
  expect(words.take(effects)).toEqual(effects);
  expect(words.take([reply(one, true)])).toHaveLength(1);
});
