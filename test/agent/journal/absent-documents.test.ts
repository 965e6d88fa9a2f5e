import { expect, test } from "vitest";
import { lastArrivalOf, unlessAway } from "#agent/journal/absent-documents.ts";
import type { DocumentsChecked } from "#agent/store/document-operations.ts";
import type { NodeStore } from "#agent/store/node-store.ts";
import { FogbankError } from "#shared/errors.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const away = new FogbankError("FOGBANK_STORE_AWAY", "nobody answers");

function storeThatKnows(known: DocumentsChecked["known"]): Pick<NodeStore, "read"> {
  const checked: DocumentsChecked = { damaged: undefined, known, hasHadParent: false };
  return { read: (() => Promise.resolve(checked)) as NodeStore["read"] };
}

const rejecting = (error: unknown) => ({ lastArrival: () => Promise.reject(error) });

test("a node whose documents are away goes on behind what it knows of them", async () => {
  const known = { instance: 3, arrival: 5_000 };
  expect(await lastArrivalOf({ lastArrival: async () => 7_000 }, storeThatKnows(known))).toBe(7_000);
  expect(await lastArrivalOf(rejecting(away), storeThatKnows(known))).toBe(5_000);
});

test("one that has never met them does not guess, and what is no absence is told", async () => {
  await expect(lastArrivalOf(rejecting(away), storeThatKnows(undefined))).rejects.toBe(away);
  const foreign = new FogbankError("FOGBANK_STORE_FOREIGN", "of another node");
  await expect(lastArrivalOf(rejecting(foreign), storeThatKnows({ instance: 3, arrival: 5 }))).rejects.toBe(foreign);
});

test("an absence is logged, and anything else thrown on", () => {
  const log = silentLogger();
  unlessAway(log)(away);
  expect(log.lines).toMatchObject([{ level: "warn" }]);
  expect(() => unlessAway(log)(new Error("a bug"))).toThrow("a bug");
});
