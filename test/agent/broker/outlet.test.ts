import { Duplex } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Outlet, OutletPool } from "#agent/broker/outlet.ts";

/** A stream whose writes a test lets through; it looks at the bytes only then, as a socket does. */
class FakeDuplex extends Duplex {
  readonly written: number[] = [];
  readonly #inFlight: { readonly chunks: readonly Uint8Array[]; readonly done: () => void }[] = [];
  /** Takes every write at once. */
  isQuick = false;

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(chunks: readonly Uint8Array[], done: () => void): void {
    this.#inFlight.push({ chunks, done });
    if (this.isQuick) this.letGo();
  }

  get isBusy(): boolean {
    return this.#inFlight.length > 0;
  }

  letGo(): void {
    const first = this.#inFlight.shift();
    if (first === undefined) return;
    for (const chunk of first.chunks) for (const byte of chunk) this.written.push(byte);
    first.done();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function letAllGo(stream: FakeDuplex): Promise<void> {
  do {
    stream.letGo();
    await turn();
  } while (stream.isBusy);
}

test("what is put into it within a turn leaves in one write, in order", async () => {
  const stream = new FakeDuplex();
  const outlet = new Outlet(new OutletPool(), stream, () => {});
  outlet.append(Uint8Array.of(1, 2));
  outlet.append(Uint8Array.of(3));
  expect([outlet.pendingBytes, outlet.bytesOut, stream.isBusy]).toEqual([3, 0, false]);
  await turn();
  expect([outlet.pendingBytes, outlet.bytesOut, outlet.leftBytes]).toEqual([3, 3, 0]);
  await letAllGo(stream);
  expect(stream.written).toEqual([1, 2, 3]);
  expect([outlet.pendingBytes, outlet.leftBytes]).toEqual([0, 3]);
});

test("bytes arrive as they were put, whatever their sizes, while others use the same chunks", async () => {
  const anySize = fc.oneof(fc.nat(20), fc.nat(9_000), fc.constantFrom(8_192, 8_193, 65_535, 65_536, 65_537, 200_000));
  const anyStep = fc.record({
    outlet: fc.nat(2),
    size: anySize,
    turns: fc.nat(1),
    goes: fc.boolean(),
    isQuick: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const pool = new OutletPool();
      const streams = [0, 1, 2].map(() => new FakeDuplex());
      const outlets = streams.map((stream) => new Outlet(pool, stream, () => {}));
      const expected: Uint8Array[][] = [[], [], []];
      for (const [at, { outlet, size, turns, goes, isQuick }] of steps.entries()) {
        const bytes = new Uint8Array(size).fill(at + 1);
        outlets[outlet]?.append(bytes);
        expected[outlet]?.push(bytes);
        const stream = streams[outlet];
        if (stream !== undefined) stream.isQuick = isQuick;
        if (goes) stream?.letGo();
        if (turns > 0) await turn();
      }
      await turn();
      for (const [at, stream] of streams.entries()) {
        await letAllGo(stream);
        const wanted = Buffer.concat(expected[at] ?? []);
        expect(Buffer.from(stream.written).equals(wanted)).toBe(true);
        expect([outlets[at]?.pendingBytes, outlets[at]?.bytesOut, outlets[at]?.leftBytes]).toEqual([
          0,
          wanted.length,
          wanted.length,
        ]);
      }
    }),
    { numRuns: 60 },
  );
});

test("while a write is on its way the rest is gathered, and tells when all of it has left", async () => {
  const stream = new FakeDuplex();
  let drained = 0;
  const outlet = new Outlet(new OutletPool(), stream, () => drained++);
  outlet.append(new Uint8Array(100).fill(1));
  await turn();
  for (let at = 0; at < 10; at++) {
    outlet.append(new Uint8Array(100).fill(2));
    await turn();
  }
  expect([outlet.bytesOut, outlet.pendingBytes, drained]).toEqual([100, 1_100, 0]);
  stream.letGo();
  await turn();
  expect([outlet.bytesOut, outlet.pendingBytes]).toEqual([1_100, 1_000]);
  await letAllGo(stream);
  expect(outlet.pendingBytes).toBe(0);
  expect(drained).toBeGreaterThan(0);
});

test("its end takes everything along; after its close nothing is written", async () => {
  const ended = new FakeDuplex();
  const one = new Outlet(new OutletPool(), ended, () => {});
  one.append(Uint8Array.of(1, 2, 3));
  one.end();
  one.append(Uint8Array.of(4));
  await letAllGo(ended);
  expect([ended.written, ended.writableEnded]).toEqual([[1, 2, 3], true]);
  const closed = new FakeDuplex();
  const pool = new OutletPool();
  const other = new Outlet(pool, closed, () => {});
  other.append(Uint8Array.of(1, 2, 3));
  other.close();
  await turn();
  expect([closed.isBusy, other.pendingBytes]).toEqual([false, 0]);
});

test("the pool keeps a bounded number of chunks, and none of another size [B2]", () => {
  const pool = new OutletPool();
  const chunks = Array.from({ length: 100 }, () => pool.take(65_536));
  for (const chunk of chunks) pool.give(chunk);
  pool.give(Buffer.alloc(10));
  const again = Array.from({ length: 100 }, () => pool.take(65_536));
  expect(new Set(again.map(({ length }) => length))).toEqual(new Set([64 * 1024]));
  expect(again.filter((chunk) => chunks.includes(chunk))).toHaveLength(64);
});

test("what is unsent at the end counts until the stream has closed, and not a moment longer", async () => {
  const pool = new OutletPool();
  const stream = new FakeDuplex();
  stream.resume();
  const outlet = new Outlet(pool, stream, () => {});
  outlet.append(new Uint8Array(500_000));
  await turn();
  outlet.end();
  expect(pool.unsentBytes).toBe(500_000);
  await letAllGo(stream);
  stream.push(null);
  stream.destroy();
  await turn();
  expect(pool.unsentBytes).toBe(0);
});
