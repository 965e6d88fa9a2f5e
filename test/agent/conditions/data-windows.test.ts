import fc from "fast-check";
import { expect, test } from "vitest";
import { createDataWindows } from "#agent/conditions/data-windows.ts";
import { parseCondition } from "#shared/condition/condition.ts";
import { explainCondition } from "#shared/condition/evaluate.ts";
import { limits } from "#shared/limits.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** `wallMs`: the clock that stamps messages. */
function scene(windowMs = 60_000, wallMs?: () => number) {
  let nowMs = 1_000;
  const windows = createDataWindows(() => nowMs, windowMs);
  const stamp = wallMs ?? (() => nowMs);
  return {
    windows,
    advance: (ms: number) => void (nowMs += ms),
    saw: (path: string, ...payloads: readonly string[]) => {
      for (const payload of payloads) windows.saw(`/data/${path}`, bytes(payload), stamp());
    },
    holds: (text: string): boolean => {
      const parsed = parseCondition(text);
      if ("error" in parsed) throw new Error(parsed.error.message);
      return explainCondition(parsed.ok, { data: (path) => windows.read(path) }).result;
    },
  };
}

test("[J8] data(path) offers the last value, and average, least and most of a while", () => {
  const { saw, advance, holds, windows } = scene();
  expect(windows.read("room/temp")).toBeUndefined();
  expect(holds("data('room/temp').last > 0 || !(data('room/temp').last > 0)")).toBe(false);
  saw("room/temp", "10");
  advance(30_000);
  saw("room/temp", "20.5", '"31"', "many");
  expect(windows.read("room/temp")).toEqual({ last: "many", count: 3, avg: 20.5, min: 10, max: 31 });
  expect(holds("data('room/temp').avg > 20.0 && data('room/temp').max == 31 && data('room/temp').last == 'many'")).toBe(
    true,
  );
  advance(30_001);
  expect(windows.read("room/temp")).toEqual({ last: "many", count: 2, avg: 25.75, min: 20.5, max: 31 });
  advance(30_000);
  expect(windows.read("room/temp")).toEqual({ last: "many", count: 0 });
  expect(holds("has(data('room/temp').avg)")).toBe(false);
  expect(holds("data('room/temp').avg > 0.0")).toBe(false);
  expect(holds("data('room/temp').count == 0")).toBe(true);
});

test("[J8] JSON of every kind can be asked for, and readings with a unit have an average", () => {
  const { saw, holds, windows } = scene();
  saw("host/cpu", '{"v":0.5,"unit":"1"}', '{"v":0.25,"unit":"1"}');
  expect(holds("data('host/cpu').avg == 0.375 && data('host/cpu').last.unit == '1'")).toBe(true);
  saw("door", '{"open":true,"by":["a",null,{"n":3}]}');
  expect(holds("data('door').last.open && data('door').last.by[2].n == 3 && data('door').last.by[1] == null")).toBe(
    true,
  );
  saw("flag", "true");
  expect(holds("data('flag').last && !has(data('flag').avg)")).toBe(true);
  saw("many", `{"v":1,"text":"${"x".repeat(500)}"}`);
  expect(holds("data('many').last.v == 1 && size(data('many').last.text) == 500 && data('many').count == 0")).toBe(
    true,
  );
  saw("many", "x".repeat(limits.dataLastBytes + 1));
  expect(windows.read("many")).toEqual({ last: undefined, count: 0 });
  saw("many", '{"__proto__":1,"constructor":2}');
  expect(holds("data('many').last.constructor == 2 && data('many').last.__proto__ == 1")).toBe(true);
  windows.saw("/data/raw", new Uint8Array([0xff, 0xfe]), 1);
  expect(windows.read("raw")).toEqual({ last: undefined, count: 0 });
  expect(holds("data('raw').last == 1")).toBe(false);
  windows.saw("/other/topic", bytes("1"), 1);
  expect(windows.read("../other/topic")).toBeUndefined();
});

test("[J8] a window is what was published within it, and at most the last so many of them", () => {
  const sample = fc.record({
    gapMs: fc.nat(3_000),
    payload: fc.oneof(fc.integer(), fc.constantFrom("a", '{"v":2}', "x".repeat(60))),
  });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 40 }), fc.constantFrom(1, 15), (samples, times) => {
      const { saw, advance, windows } = scene(10_000);
      const seen: { readonly atMs: number; readonly value: number | undefined }[] = [];
      let nowMs = 0;
      for (const { gapMs, payload } of Array.from({ length: times }, () => samples).flat()) {
        nowMs += gapMs / times;
        advance(gapMs / times);
        saw("x", String(payload));
        const value = typeof payload === "number" ? payload : payload === '{"v":2}' ? 2 : undefined;
        if (String(payload).length <= 48) seen.push({ atMs: nowMs, value });
      }
      const values = seen
        .slice(-limits.dataSamples)
        .filter(({ atMs }) => atMs >= nowMs - 10_000)
        .flatMap(({ value }) => (value === undefined ? [] : [value]));
      const read = windows.read("x");
      expect(read?.count ?? 0).toBe(values.length);
      if (values.length === 0) return;
      expect([read?.min, read?.max]).toEqual([Math.min(...values), Math.max(...values)]);
      expect(read?.avg).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 3);
    }),
  );
});

test("[J-S8] topics without end take no more than their bound, and those in use stay", () => {
  const { saw, windows } = scene();
  for (let n = 0; n < limits.dataTopics * 5; n++) {
    saw(`topic/${n}`, "1");
    if (n % 100 === 0) saw("used", "1");
  }
  expect(windows.read("used")?.count).toBe(50);
  const kept = Array.from({ length: limits.dataTopics * 5 }, (_, n) => windows.read(`topic/${n}`)).filter(Boolean);
  expect(kept.length).toBeLessThan(limits.dataTopics);
  expect(kept.length).toBeGreaterThan(limits.dataTopics / 3);
  expect(kept.every((statistics) => statistics?.count === 1)).toBe(true);
});

test("what is kept does not change with the buffer that it came in", () => {
  const { windows } = scene();
  for (const text of ["12", `"${"y".repeat(100)}"`]) {
    const payload = bytes(text);
    windows.saw("/data/x", payload, 1);
    payload.fill(0x39);
    expect(windows.read("x")?.last).toEqual(JSON.parse(text));
  }
});

test("[J-S8] payloads of hostile JSON are values like others", () => {
  const { saw, holds } = scene();
  const deep = "[".repeat(limits.dataLastBytes / 2) + "]".repeat(limits.dataLastBytes / 2);
  saw("x", deep);
  expect(holds("data('x').last == data('x').last")).toBe(true);
  expect(holds("size(data('x').last) == 1")).toBe(true);
  for (const payload of [
    "1e999",
    "-0",
    "NaN",
    "Infinity",
    '{"v":1e999}',
    '"1e999"',
    "",
    " ",
    "[",
    '"\\ud800"',
    "0x10",
    "1_000",
  ]) {
    saw("y", payload);
    expect(holds("data('y').count >= 0")).toBe(true);
    expect(holds("data('y').avg > 1000000.0")).toBe(false);
  }
});

test("[J-S8] reading data takes steps, so that a text cannot ask for it without end", () => {
  const { saw, holds } = scene();
  saw("x", ...Array.from({ length: limits.dataSamples }, () => '{"v":1}'));
  const clauses = (count: number): string => Array.from({ length: count }, () => "data('x').avg == 1.0").join(" && ");
  expect(holds(clauses(10))).toBe(true);
  expect(holds(clauses(60))).toBe(false);
});

test("[J8] a clock that steps moves nothing into or out of the window", () => {
  let wallMs = 1_000_000;
  const { saw, advance, windows } = scene(10_000, () => wallMs);
  saw("x", "1");
  wallMs -= 3_600_000;
  advance(5_000);
  saw("x", "2");
  wallMs += 7_200_000;
  advance(4_000);
  saw("x", "3");
  expect(windows.read("x")).toMatchObject({ count: 3, last: 3 });
  advance(2_000);
  expect(windows.read("x")).toMatchObject({ count: 2, min: 2 });
});
