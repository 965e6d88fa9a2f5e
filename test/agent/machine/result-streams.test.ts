// Results on their way to a caller.
import { expect, test } from "vitest";
import { ResultStreams } from "#agent/machine/result-streams.ts";
import type { Message } from "#shared/system/bus.ts";

function message(topic: string): Message {
  return { topic, payload: new Uint8Array(0), qos: 1, retain: false };
}

test("a reply waits for the results of its call, and for nothing else; no more is published than there is room for", async () => {
  const published: string[] = [];
  const taken: PromiseWithResolvers<void>[] = [];
  const streams = new ResultStreams(({ topic }) => {
    published.push(topic);
    const one = Promise.withResolvers<void>();
    taken.push(one);
    return one.promise;
  });
  const told = streams.tell(
    "a",
    "/results",
    Array.from({ length: 150 }, () => new Uint8Array(0)),
  );
  const replied = streams.after("a", message("/reply-of-a"));
  void streams.after("b", message("/reply-of-b"));
  expect(published).toHaveLength(101);
  expect(published.at(-1)).toBe("/reply-of-b");
  for (const { resolve } of taken.splice(0)) resolve();
  while (published.length < 151) await Promise.resolve();
  for (const { resolve } of taken.splice(0)) resolve();
  await told;
  while (published.length < 152) await Promise.resolve();
  expect(published.at(-1)).toBe("/reply-of-a");
  for (const { resolve } of taken.splice(0)) resolve();
  await replied;
});

test("what the broker does not take is told to whoever asked for it, and the reply still goes out", async () => {
  const published: string[] = [];
  const streams = new ResultStreams(async ({ topic }) => {
    if (topic === "/results") throw new Error("no");
    published.push(topic);
  });
  const told = streams.tell("a", "/results", [new Uint8Array(0)]);
  await Promise.all([expect(told).rejects.toThrow("no"), streams.after("a", message("/reply"))]);
  expect(published).toEqual(["/reply"]);
});
