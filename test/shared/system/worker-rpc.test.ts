import { MessageChannel } from "node:worker_threads";
import { expect, test } from "vitest";
import { startWorker } from "#agent/system/worker-entry.ts";
import { FogbankError } from "#shared/errors.ts";
import { callWorker, serveWorker } from "#shared/system/worker-rpc.ts";
import type { CallsOf, Handlers } from "#shared/system/worker-rpc.ts";

interface Link extends Disposable {
  readonly call: CallsOf<typeof handlers>;
  readonly close: () => void;
}

const handlers = {
  add: ({ a, b }: { a: number; b: number }) => a + b,
  later: async (text: string) => text.toUpperCase(),
  fill: (bytes: Uint8Array) => bytes.fill(9),
  refuse: (): never => {
    throw new FogbankError("FOGBANK_STORE_FULL", "no room");
  },
  refuseLater: async (): Promise<number> => {
    throw new FogbankError("FOGBANK_STORE_FAILED", "not now");
  },
  never: () => new Promise<void>(() => undefined),
} satisfies Handlers;

function openLink(): Link {
  const { port1, port2 } = new MessageChannel();
  serveWorker(port1, handlers);
  const close = () => port1.close();
  return { call: callWorker<typeof handlers>(port2), close, [Symbol.dispose]: close };
}

test("answers come back to their own calls, at once or by a promise", async () => {
  using link = openLink();
  const [late, sum, other] = await Promise.all([
    link.call("later", "fog"),
    link.call("add", { a: 1, b: 2 }),
    link.call("add", { a: 3, b: 4 }),
  ]);
  expect([late, sum, other]).toEqual(["FOG", 3, 7]);
});

test("the type of a call follows from its handler", async () => {
  using link = openLink();
  const sum: number = await link.call("add", { a: 1, b: 2 });
  // @ts-expect-error a number is no text
  const text: string = await link.call("add", { a: 1, b: 2 });
  // @ts-expect-error the handler takes numbers
  const wrong = await link.call("add", { a: "1", b: 2 });
  expect([sum, text, wrong]).toEqual([3, 3, "12"]);
});

test("an expected failure crosses as its code and message", async () => {
  using link = openLink();
  const refused: unknown = await link.call("refuse", undefined).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(FogbankError);
  expect(refused).toMatchObject({ code: "FOGBANK_STORE_FULL", message: "no room" });
  await expect(link.call("refuseLater", undefined)).rejects.toMatchObject({
    code: "FOGBANK_STORE_FAILED",
    message: "not now",
  });
});

test("a transferred buffer changes owner, any other is copied", async () => {
  using link = openLink();
  const kept = new Uint8Array(4);
  const moved = new Uint8Array(4);
  expect(await link.call("fill", kept)).toEqual(new Uint8Array([9, 9, 9, 9]));
  expect(await link.call("fill", moved, [moved.buffer])).toEqual(new Uint8Array([9, 9, 9, 9]));
  expect([kept.length, kept[0], moved.length]).toEqual([4, 0, 0]);
});

test("what cannot be cloned rejects the call and disturbs no other", async () => {
  using link = openLink();
  const unclonable = { a: 1, b: 2, extra: () => 1 };
  await expect(link.call("add", unclonable)).rejects.toMatchObject({ name: "DataCloneError" });
  expect(await link.call("add", { a: 1, b: 2 })).toBe(3);
});

test("when the port closes, pending and later calls reject with FOGBANK_STORE_CLOSED", async () => {
  using link = openLink();
  const pending = link.call("never", undefined);
  link.close();
  await expect(pending).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
  await expect(link.call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
});

test("when the worker dies, pending and later calls reject with FOGBANK_STORE_CLOSED", async () => {
  const program = 'import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3));';
  const worker = startWorker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), null);
  const call = callWorker<typeof handlers>(worker);
  await expect(call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
  await expect(call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "FOGBANK_STORE_CLOSED" });
});
