import fc from "fast-check";
import { expect, test } from "vitest";
import { HelloAdmission } from "#shared/link/admission.ts";
import { limits } from "#shared/limits.ts";

const { hellosBurst: burst, hellosAtOnce: atOnce, hellosPerSecond: perSecond } = limits;

/** Admits and greets until `ask` says busy; answers how many that were. */
function fill(admission: HelloAdmission, nowMs: number): number {
  for (let count = 0; ; count++) {
    if (admission.ask(`early-${nowMs}-${count}`, nowMs).type === "busy") return count;
    admission.done(nowMs);
  }
}

test("a few children are greeted at once", () => {
  const admission = new HelloAdmission(0);
  for (let index = 0; index < 50; index++) expect(admission.ask(`device-${index}`, 0)).toEqual({ type: "admitted" });
  expect(admission.greeting).toBe(50);
});

test("beyond the burst each is told a time of its own, at the rate at which greetings go", () => {
  const admission = new HelloAdmission(0);
  expect(fill(admission, 0)).toBe(burst); // the one that was too many has the first place
  const waits = Array.from({ length: 1_000 }, (_, index) => {
    const answer = admission.ask(`device-${index}`, 0);
    return answer.type === "busy" ? answer.retryAfterMs : 0;
  });
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(waits.at(-1)).toBe(Math.ceil(((1_000 + 1) * 1_000) / perSecond));
  expect(new Set(waits).size).toBeGreaterThan(1_000 / 2);
});

test("whoever asks before its place comes keeps it; whoever asks later than others does not get before them", () => {
  const admission = new HelloAdmission(0);
  fill(admission, 0);
  const [first, second] = [admission.ask("device-1", 0), admission.ask("device-2", 0)];
  expect(first.type === "busy" && second.type === "busy" && first.retryAfterMs <= second.retryAfterMs).toBe(true);
  expect(admission.ask("device-1", 1)).toMatchObject({ type: "busy" });
  expect(admission.ask("device-1", 10)).toEqual({ type: "admitted" });
  expect(admission.waiting).toBe(2);
});

test("no more are greeted at the same time than the bound says; a place that is refused is worth more the next time", () => {
  const admission = new HelloAdmission(0);
  for (let index = 0; index < atOnce; index++) admission.ask(`slow-${index}`, 0);
  expect(admission.ask("device-1", 0)).toMatchObject({ type: "busy" });
  expect(admission.ask("device-1", 1_000)).toMatchObject({ type: "busy" });
  expect(admission.ask("device-1", 2_000)).toEqual({ type: "admitted" });
});

test("when greetings take longer than the rate allows for, places lie further apart", () => {
  const admission = new HelloAdmission(0);
  let nowMs = 0;
  for (let index = 0; index < 2_000; index++) {
    while (admission.ask(`device-${index}`, nowMs).type === "admitted") index++;
    nowMs += 20;
    admission.done(nowMs);
  }
  const answers = [admission.ask("a", nowMs), admission.ask("b", nowMs)].map((answer) =>
    answer.type === "busy" ? answer.retryAfterMs : 0,
  );
  expect((answers[1] ?? 0) - (answers[0] ?? 0)).toBeGreaterThan(10);
});

test("however children come: the work of any second is bounded, and one that keeps to its times is not sent away for ever", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(200), fc.nat(30)), { minLength: 1, maxLength: 400 }),
      fc.nat(50),
      (arrivals, lateMs) => {
        const admission = new HelloAdmission(0);
        const admittedAtMs: number[] = [];
        const refusals = new Map<string, number>();
        const queue = arrivals.map(([atMs, crowd], index) => ({ atMs, crowd, index }));
        while (queue.length > 0) {
          queue.sort((a, b) => a.atMs - b.atMs);
          const next = queue.shift();
          if (next === undefined) break;
          for (let member = 0; member <= next.crowd; member++) {
            const name = `device-${next.index}-${member}`;
            const answer = admission.ask(name, next.atMs);
            if (answer.type === "admitted") {
              admission.done(next.atMs);
              admittedAtMs.push(next.atMs);
            } else if (next.crowd === 0) {
              refusals.set(name, (refusals.get(name) ?? 0) + 1);
              queue.push({ ...next, atMs: next.atMs + answer.retryAfterMs + lateMs });
            }
          }
        }
        for (const [index, atMs] of admittedAtMs.entries()) {
          const until = admittedAtMs.findLastIndex((otherMs) => otherMs < atMs + 1_000);
          expect(until - index + 1).toBeLessThanOrEqual(perSecond + 2 * burst);
        }
        expect(Math.max(0, ...refusals.values())).toBeLessThanOrEqual(4);
      },
    ),
    { numRuns: 60 },
  );
});
