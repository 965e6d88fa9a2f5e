// Frames out of a stream: cut anywhere, they come whole and in order; a length out of bounds is an error at once.
import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameAssembler } from "#cloud/coordination/zookeeper/frames.ts";
import { JuteError, JuteWriter } from "#cloud/coordination/zookeeper/jute.ts";
import { limits } from "#shared/limits.ts";

function framed(bodies: readonly Uint8Array[]): Uint8Array {
  const writer = new JuteWriter();
  for (const body of bodies) writer.buffer(body);
  return writer.finish();
}

test("frames come whole and in order, wherever the stream is cut", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 50 }), (sent, cuts) => {
      const stream = framed(sent);
      const assembler = new FrameAssembler();
      const frames: number[][] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const end = at + (cuts[turn % cuts.length] ?? 1);
        frames.push(...assembler.push(stream.subarray(at, end)).map((frame) => [...frame]));
        at = end;
      }
      expect(frames).toEqual(sent.map((body) => [...body]));
    }),
  );
});

test("a frame cut at every byte comes whole", () => {
  const stream = framed([Uint8Array.of(1, 2, 3), Uint8Array.of(), Uint8Array.of(4)]);
  for (let at = 0; at <= stream.length; at++) {
    const assembler = new FrameAssembler();
    const frames = [...assembler.push(stream.subarray(0, at)), ...assembler.push(stream.subarray(at))];
    expect(frames.map((frame) => [...frame])).toEqual([[1, 2, 3], [], [4]]);
  }
});

test("a length that is negative or out of bounds is refused with its head, in the first frame and in a later one", () => {
  for (const length of [-1, -0x80000000, 0x7fffffff, limits.coordinationReplyBytes + 1]) {
    const head = new JuteWriter().int(length).finish();
    expect(() => new FrameAssembler().push(head)).toThrow(JuteError);
    const second = new FrameAssembler();
    expect(() => second.push(framed([Uint8Array.of(1)])).length + second.push(head).length).toThrow(JuteError);
  }
});

test("a long frame in many pieces is put together once", () => {
  const body = new Uint8Array(limits.coordinationReplyBytes).fill(7);
  const stream = framed([body]);
  const assembler = new FrameAssembler();
  const frames: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += 1_000) frames.push(...assembler.push(stream.subarray(at, at + 1_000)));
  expect(frames.map(({ length }) => length)).toEqual([body.length]);
});
