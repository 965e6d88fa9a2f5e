import { expect, test } from "vitest";
import { FailedLogins } from "#agent/auth/failed-logins.ts";
import { limits } from "#shared/limits.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";

/** So many wrong attempts, one after the other. */
async function attempts(failures: FailedLogins, address: string, count: number): Promise<readonly boolean[]> {
  const answers: boolean[] = [];
  for (let at = 0; at < count; at++) {
    const isAllowed = await failures.begin(address);
    answers.push(isAllowed);
    if (isAllowed) failures.end(address, true);
  }
  return answers;
}

test("the eleventh failure within a minute is sent away, until the minute is over", async () => {
  const clock = new FakeClock();
  const failures = new FailedLogins(clock);
  expect(await attempts(failures, "192.0.2.1", 11)).toEqual([...Array<boolean>(10).fill(true), false]);
  expect(await failures.begin("192.0.2.2")).toBe(true);
  await clock.advance(limits.failedLoginWindowMs - 1);
  expect(await failures.begin("192.0.2.1")).toBe(false);
  await clock.advance(1);
  expect(await failures.begin("192.0.2.1")).toBe(true);
});

test("no more attempts are under way than may still fail; those behind wait, and get in when the ones before were right", async () => {
  const failures = new FailedLogins(new FakeClock());
  let begun = 0;
  const all = Array.from({ length: 30 }, async () => {
    const isAllowed = await failures.begin("192.0.2.1");
    begun++;
    return isAllowed;
  });
  await Promise.all(all.slice(0, 10));
  expect(begun).toBe(10);
  for (let at = 0; at < 30; at++) {
    await all[at];
    failures.end("192.0.2.1", false);
  }
  expect(await Promise.all(all)).toEqual(Array<boolean>(30).fill(true));
  expect(failures.size).toBe(0);
});

test("many guesses at once are no more guesses", async () => {
  const failures = new FailedLogins(new FakeClock());
  const all = Array.from({ length: 30 }, () => failures.begin("192.0.2.1"));
  for (let at = 0; at < 10; at++) {
    expect(await all[at]).toBe(true);
    failures.end("192.0.2.1", true);
  }
  expect((await Promise.all(all)).filter((isAllowed) => isAllowed)).toHaveLength(10);
});

test("addresses of one IPv6 network count together", async () => {
  const failures = new FailedLogins(new FakeClock());
  await attempts(failures, "2001:db8:1:2:aaaa::1", 5);
  await attempts(failures, "2001:0db8:1:2::99", 5);
  expect(await failures.begin("2001:db8:1:2:3:4:5:6")).toBe(false);
  expect(await failures.begin("2001:db8:1:3::1")).toBe(true);
  expect(await failures.begin("::1")).toBe(true);
});

test("the table is bounded, and the oldest is forgotten first", async () => {
  const failures = new FailedLogins(new FakeClock());
  await attempts(failures, "first", 10);
  for (let count = 0; count < limits.failedLoginAddresses + 10; count++) await failures.begin(`address-${count}`);
  expect(failures.size).toBeLessThanOrEqual(limits.failedLoginAddresses);
  expect(await failures.begin("first")).toBe(true);
});
