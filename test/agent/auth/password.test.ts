import { expect, test } from "vitest";
import { createPasswordChecker, hashPassword, isPasswordHash } from "#agent/auth/password.ts";
import { limits } from "#shared/limits.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** One that costs next to nothing, of the password "cheap". */
const cheap = "$scrypt$ln=10,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$9uxRArZXHZzoYbbP09gL7ZTnvdE3uOryLPxbvQXPjj4";

test("a password fits its own hash only, and each hash has a salt of its own", async () => {
  const [one, other] = await Promise.all([hashPassword(bytes("secret")), hashPassword(bytes("secret"))]);
  expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$/);
  expect(one).not.toBe(other);
  const { check } = createPasswordChecker();
  expect(await check(one, bytes("secret"))).toBe("right");
  expect(await check(one, bytes("Secret"))).toBe("wrong");
  expect(await check(other, bytes("secret"))).toBe("right");
  expect(await check(undefined, bytes("secret"))).toBe("wrong");
});

test("the event loop turns while a password is checked", async () => {
  let turns = 0;
  const checked = createPasswordChecker().check(undefined, bytes("x"));
  let isOver = false;
  void checked.then(() => (isOver = true));
  while (!isOver) await new Promise((resolve) => setImmediate(resolve, turns++));
  expect(turns).toBeGreaterThan(10);
});

test("checks beyond the bound are sent away, the others answered", async () => {
  const { check } = createPasswordChecker();
  const count = limits.passwordChecks + limits.passwordChecksWaiting + 3;
  const verdicts = await Promise.all(Array.from({ length: count }, () => check(cheap, bytes("wrong"))));
  expect(verdicts.filter((verdict) => verdict === "busy")).toHaveLength(3);
  expect(verdicts.filter((verdict) => verdict === "wrong")).toHaveLength(count - 3);
  expect(await check(cheap, bytes("wrong"))).toBe("wrong");
});

test.each([
  "",
  "secret",
  "$scrypt$ln=40,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$9uxRArZXHZzoYbbP09gL7ZTnvdE3uOryLPxbvQXPjj4",
  "$scrypt$ln=15,r=8,p=9$AAAAAAAAAAAAAAAAAAAAAA$9uxRArZXHZzoYbbP09gL7ZTnvdE3uOryLPxbvQXPjj4",
  "$scrypt$ln=15,r=8,p=1$short$9uxRArZXHZzoYbbP09gL7ZTnvdE3uOryLPxbvQXPjj4",
])("%j is no hash", (text) => {
  expect(isPasswordHash(text)).toBe(false);
});
