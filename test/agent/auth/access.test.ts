import fc from "fast-check";
import { expect, test } from "vitest";
import { type AccessRule, compileAccess, dependsOnClientId, ruleFault } from "#agent/auth/access.ts";

const names = { user: "pump", clientId: "pump-7" };
const rules = (...texts: readonly string[]): readonly AccessRule[] =>
  texts.map((text) => {
    const [allow = "", filter = ""] = text.split(" ");
    return { filter, allow: allow as AccessRule["allow"] };
  });

test("without rules everything is open", () => {
  const access = compileAccess([], names);
  expect([access.mayPublish("/a"), access.maySubscribe("#")]).toEqual([true, true]);
});

test("a rule allows what it names and nothing else", () => {
  const access = compileAccess(rules("publish /data/#", "subscribe /set/+", "both /talk"), names);
  expect(
    ["/data", "/data/a/b", "/talk", "/set/a", "/other", "/database"].map((topic) => access.mayPublish(topic)),
  ).toEqual([true, true, true, false, false, false]);
  expect(["/set/a", "/set/+", "/talk", "/set/#", "/data/a", "#"].map((filter) => access.maySubscribe(filter))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("%u and %c stand for the user's name and the client id, as whole levels", () => {
  const access = compileAccess(rules("both /u/%u/#", "both %c/x"), names);
  expect(
    ["/u/pump/a", "pump-7/x", "/u/other/a", "pump-8/x", "/u/%u/a", "%c/x"].map((topic) => access.mayPublish(topic)),
  ).toEqual([true, true, false, false, false, false]);
  expect(ruleFault("/u/%u")).toBeUndefined();
  for (const filter of ["/u/x%u", "/%c%c", "/%u-%c/#"]) expect(ruleFault(filter)).toMatch(/whole levels/);
  expect([rules("both /%c"), rules("both /%u"), rules("both /a%c")].map(dependsOnClientId)).toEqual([
    true,
    false,
    false,
  ]);
});

test.each(["", "a/b", "+", "#", "a+", "/", "x\0"])("the client id %j matches no rule with %%c", (clientId) => {
  const access = compileAccess(rules("both /c/%c", "both /c/%c/#"), { user: "pump", clientId });
  for (const topic of ["/c/", "/c", "/c/a/b", "/c/x", `/c/${clientId}`]) {
    expect([access.mayPublish(topic), access.maySubscribe(topic)]).toEqual([false, false]);
  }
  expect(access.maySubscribe("/c/+")).toBe(false);
});

test("whatever a client calls itself, it reaches its own level only", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 4 }),
      fc.constantFrom("/c/other", "/c/other/x", "/c/#", "/c/+", "#"),
      (clientId, filter) => {
        fc.pre(clientId !== "other");
        const access = compileAccess(rules("both /c/%c/#"), { user: "pump", clientId });
        expect(access.maySubscribe(filter)).toBe(false);
        expect(access.mayPublish("/c/other/x")).toBe(false);
      },
    ),
  );
});
