import { expect, test } from "vitest";
import { within } from "#agent/client/deadline.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

test("work in time is what comes out, and nothing keeps waiting", async () => {
  const clock = new FakeClock();
  await expect(within(clock, 100, Promise.resolve("done"), () => new Error("late"))).resolves.toBe("done");
  await expect(within(clock, 100, Promise.reject(new Error("broken")), () => new Error("late"))).rejects.toThrow(
    "broken",
  );
  expect(clock.sleepers).toBe(0);
});

test("work that takes longer is late, whatever it comes to later", async () => {
  const clock = new FakeClock();
  const work = Promise.withResolvers<string>();
  const result = expect(within(clock, 100, work.promise, () => new Error("late"))).rejects.toThrow("late");
  await clock.advance(100);
  await result;
  work.reject(new Error("too late to matter"));
});
