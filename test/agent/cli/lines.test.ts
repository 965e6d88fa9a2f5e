import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOf } from "#agent/cli/lines.ts";
import { chunks } from "./command-bench.ts";

const never = new AbortController().signal;

async function read(texts: readonly string[], bytesMax = 1000, signal = never): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(chunks(...texts), bytesMax, signal)) lines.push(new TextDecoder().decode(line));
  return lines;
}

test("a line ends at its line feed; what stands behind the last one is a line too", async () => {
  expect(await read([])).toEqual([]);
  expect(await read(["a\n"])).toEqual(["a"]);
  expect(await read(["a\r\n\nb"])).toEqual(["a\r", "", "b"]);
});

test("chunks make no difference", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "é") })), async (texts) => {
      const expected = texts.join("").split("\n");
      if (expected.at(-1) === "") expected.pop();
      expect(await read(texts)).toEqual(expected);
    }),
  );
});

test("a line beyond the bound, and an abort, end the reading", async () => {
  await expect(read(["ab", "cd\n"], 3)).rejects.toThrow(expect.objectContaining({ code: "FOGBANK_PAYLOAD_TOO_LARGE" }));
  await expect(read(["a"], 3, AbortSignal.abort("stop"))).rejects.toBe("stop");
});
