// Receipts as changes: what one side says and what the other puts together from it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeName } from "#shared/ids.ts";
import { allResults, fewResults } from "#shared/machine/merge-receipts.ts";
import { changesBetween, withChanges } from "#shared/machine/receipt-changes.ts";
import { callStatuses, emptyReceipt, ownReceipt, type Receipt } from "#shared/machine/receipt.ts";
import { decodeReceipt, encodeReceipt, type ReceiptFrame } from "#shared/machine/receipt-wire.ts";
import { SaidReceipt } from "#shared/machine/said-receipt.ts";
import { OpenMessage } from "#shared/machine/open-message.ts";
import { Reports } from "#shared/machine/reports.ts";
import { limits } from "#shared/limits.ts";
import { envelopeOf, neighbourOf, worldOf } from "../../fakes/machine-scene.ts";

const node = fc.integer({ min: 1, max: 12 }).map((number) => parseNodeName(`device-${number}`));
const byNode = { selector: ({ node: name }: { readonly node: string }) => name };
const receipt: fc.Arbitrary<Receipt> = fc.record({
  counts: fc.constant(emptyReceipt.counts),
  results: fc.uniqueArray(
    fc
      .record({ node, status: fc.constantFrom(...callStatuses), text: fc.constantFrom("no", "never") })
      .map(({ text, ...rest }) => (rest.status === "done" ? { ...rest, value: [text] } : { ...rest, reason: text })),
    byNode,
  ),
  omitted: fc.nat({ max: 3 }),
  waiting: fc.uniqueArray(fc.record({ node, sinceMs: fc.nat({ max: 2 }), at: node }), {
    selector: ({ node: name, at }) => `${name} ${at}`,
  }),
  unnamed: fc.nat({ max: 3 }),
  adopted: fc.uniqueArray(fc.record({ node, atMs: fc.nat({ max: 2 }) }), byNode),
  detached: fc.uniqueArray(
    fc.record({ node, heardMs: fc.nat({ max: 9 }) }).map((one) => ({
      ...one,
      receipt: ownReceipt({ node: one.node, status: "done" as const, value: one.heardMs }),
    })),
    byNode,
  ),
  complete: fc.boolean(),
  settled: fc.boolean(),
});

function sorted(one: Receipt): Receipt {
  const order = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return {
    ...one,
    results: one.results.toSorted(order),
    waiting: one.waiting.toSorted(order),
    adopted: one.adopted.toSorted(order),
    detached: one.detached.toSorted(order),
  };
}

test("what has changed makes the one receipt of the other, also by way of the wire", () => {
  fc.assert(
    fc.property(receipt, receipt, (before, after) => {
      const { receipt: changed, gone } = changesBetween(before, after);
      expect(sorted(withChanges(before, { receipt: changed, gone }))).toEqual(sorted(after));
      const frame = { id: "00112233445566778899aabbccddeeff", phase: 1, number: 8, look: 0 } as const;
      const sent: ReceiptFrame = { ...frame, receipt: changed, since: { number: 7, gone } };
      expect(decodeReceipt(encodeReceipt(sent))).toEqual({ frame: sent });
    }),
  );
});

test("nothing that has been said is said again", () => {
  fc.assert(
    fc.property(receipt, (one) => {
      const copy = structuredClone(one);
      expect(changesBetween(one, copy).receipt).toMatchObject({ results: [], waiting: [], adopted: [], detached: [] });
    }),
  );
});

const self = parseNodeName("fog-1");
const parent = neighbourOf("cloud-1", { key: "^" });

/** A node that has many children, and all that it says to its parent. */
function teller(wantsAll: boolean, children: number) {
  const views = Array.from({ length: children }, (_, index) => neighbourOf(`h-${index}`));
  const world = worldOf(100, views);
  const caller = { kind: "neighbour", key: parent.key, name: parent.name } as const;
  const message = new OpenMessage(envelopeOf({ wantsAll }), caller, undefined, world);
  for (const view of views) message.observe(world, view);
  message.takeDue(world);
  message.kept = "yes";
  const reports = new Reports(self);
  const frames = (): readonly ReceiptFrame[] =>
    reports.report(world, message).flatMap((effect) => (effect.type === "report" ? [effect.frame] : []));
  const answer = (index: number): void => {
    const name = parseNodeName(`h-${index}`);
    const one = ownReceipt({ node: name, status: "done", value: `value ${index}` });
    message.setReceipt(name, { receipt: one, phase: 1, number: 0, look: 0 }, world);
  };
  return { message, frames, answer, repeat: () => (message.told = undefined) };
}

test("each result goes upward once, however often the node reports", () => {
  const { frames, answer } = teller(false, 100);
  const bytes: number[] = [];
  const said: string[] = [];
  for (let index = 0; index < 100; index++) {
    answer(index);
    for (const frame of frames()) {
      said.push(...frame.receipt.results.map(({ node: name }) => name));
      bytes.push(encodeReceipt(frame).length);
    }
  }
  expect(said).toEqual(Array.from({ length: 100 }, (_, index) => `h-${index}`));
  // The first names all that are waited for; each later one is as long as what it adds.
  expect(Math.max(...bytes.slice(1))).toBeLessThan(150);
});

test("all results of a call that wants them go upward, in frames that fit, and are put together again", () => {
  const { message, frames, answer } = teller(true, 2_500);
  const heard = new SaidReceipt();
  let last: Receipt | undefined;
  const hear = (): void => {
    for (const frame of frames()) {
      expect(frame.receipt.results.length).toBeLessThanOrEqual(limits.callResults);
      expect(decodeReceipt(encodeReceipt(frame))).toEqual({ frame });
      last = heard.take(frame, 1, allResults)?.receipt ?? last;
    }
  };
  for (let index = 0; index < 10; index++) answer(index);
  hear();
  expect(last).toMatchObject({ complete: false, omitted: 0 });
  expect(last?.results).toHaveLength(10);
  for (let index = 10; index < 2_500; index++) answer(index);
  hear();
  expect(last && sorted(last)).toEqual(sorted(message.receipt(self)));
  expect(last).toMatchObject({ complete: true, omitted: 0, counts: { done: 2_500 } });
});

test("whoever misses a frame takes nothing more in before all is said again", () => {
  const { message, frames, answer, repeat } = teller(false, 3);
  const heard = new SaidReceipt();
  const take = (frame: ReceiptFrame | undefined) => frame && heard.take(frame, 1, fewResults);
  answer(0);
  expect(take(frames()[0])?.results).toHaveLength(1);
  answer(1);
  frames(); // lost
  answer(2);
  expect(take(frames()[0])).toBeUndefined();
  expect(heard.isBroken).toBe(true);
  repeat();
  const [whole] = frames();
  expect(take(whole)?.receipt.results).toHaveLength(3);
  expect(heard.isBroken).toBe(false);
  // One that was on its way before comes late, and then twice.
  expect(take(whole && { ...whole, number: 0 })).toBeUndefined();
  expect(message.receipt(self).complete).toBe(true);
});

test("in another session nothing goes on from what was said in the one before", () => {
  const { frames, answer } = teller(false, 2);
  const heard = new SaidReceipt();
  answer(0);
  for (const frame of frames()) heard.take(frame, 1, fewResults);
  answer(1);
  for (const frame of frames()) expect(heard.take(frame, 2, fewResults)).toBeUndefined();
  expect(heard.isBroken).toBe(true);
});
