import fc from "fast-check";
import { expect, test } from "vitest";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { applyPolicy, checkCommand, checkPost, type PostVerdict } from "#shared/registry/class-check.ts";
import type { ClassField, DeviceClass } from "#shared/registry/device-class.ts";
import type { PostedValue } from "#shared/registry/device-post.ts";
import type { ValueRule } from "#shared/registry/value-rule.ts";

const level: ValueRule = { kind: "integer", least: { value: 0, isOut: false }, most: { value: 255, isOut: false } };
const field = (name: string, rule: ValueRule, least = 1, most = 1): ClassField => ({ name, rule, least, most });

const light: DeviceClass = {
  name: "light",
  fields: [
    field("state", { kind: "string", choices: ["On", "Off", "1"] }),
    field("brightness", level, 0),
    field("rgb", level, 0, 3),
    field("warm", { kind: "boolean" }, 0),
  ],
  commands: [
    { name: "blink", parameters: [field("times", { kind: "integer", least: { value: 0, isOut: true } })] },
    { name: "reset", parameters: [] },
  ],
};

const text = (posted: string): PostedValue => ({ type: "text", text: posted });
const value = (posted: PlainValue): PostedValue => ({ type: "value", value: posted });

function check(place: string, posted: PostedValue): PostVerdict {
  const [post = "", ...path] = place.split("/");
  return checkPost(light, { post, path, posted });
}

test("[U12] the class gives a text its type, and checks its range", () => {
  expect(check("brightness", text("007"))).toEqual({ type: "fits", value: 7 });
  expect(check("brightness", value(7))).toEqual({ type: "fits", value: 7 });
  expect(check("state", text("1"))).toEqual({ type: "fits", value: "1" });
  expect(check("warm", text("1"))).toEqual({ type: "fits", value: true });
  expect(check("brightness", text("256"))).toEqual({
    type: "unfit",
    value: 256,
    reason: 'brightness: expected an integer from 0 to 255, found "256"',
  });
  expect(check("brightness", text("7.5"))).toMatchObject({ type: "unfit" });
  expect(check("state", text("Dim"))).toMatchObject({ reason: 'state: expected one of On, Off, 1, found "Dim"' });
});

test("[U12] [U-T9] a list has as many values as the class says, and one value is a list of one", () => {
  expect(check("rgb", value([1, 2, "3"]))).toEqual({ type: "fits", value: [1, 2, 3] });
  expect(check("rgb", text("9"))).toEqual({ type: "fits", value: [9] });
  expect(check("rgb", value([1, 2, 3, 4]))).toMatchObject({ reason: "rgb: expected 0 to 3 values, found 4" });
  expect(check("rgb", value([1, [2]]))).toMatchObject({ reason: "rgb: expected a single value, found a list" });
  expect(check("brightness", value([1]))).toMatchObject({ reason: "brightness: expected one value, found a list" });
});

test("[U12] a record of the whole device has its fields, all that must be there and no others", () => {
  expect(check("light", value({ state: "On", brightness: "9" }))).toEqual({
    type: "fits",
    value: { state: "On", brightness: 9 },
  });
  expect(check("light", value({ brightness: 9 }))).toMatchObject({ reason: "state is missing" });
  expect(check("light", value({ state: "On", __proto__x: 1 }))).toMatchObject({ reason: '"__proto__x" is not known' });
  expect(check("light", text("On"))).toMatchObject({ reason: "expected a record, found a string" });
  expect(check("light/state", text("On"))).toEqual({ type: "fits", value: "On" });
  expect(check("light/state/x", text("On"))).toMatchObject({ reason: 'state has no part "x"' });
});

test("[U1] [U12] a post that the class does not know is taken as it comes, and so is any without a class", () => {
  expect(check("colour", text("007"))).toEqual({ type: "unknown", value: "007" });
  expect(check("toString", text("5"))).toEqual({ type: "unknown", value: 5 });
  expect(checkPost(undefined, { post: "brightness", path: [], posted: text("256") })).toEqual({
    type: "unknown",
    value: 256,
  });
});

test("[U12] a post that does not fit is stored with a mark, or refused, as the policy says", () => {
  const unfit = check("brightness", text("256"));
  const reason = expect.stringContaining("from 0 to 255");
  expect(applyPolicy("accept-and-mark", unfit)).toEqual({ type: "store", value: 256, mark: reason });
  expect(applyPolicy("refuse", unfit)).toEqual({ type: "refuse", reason });
  for (const policy of ["accept-and-mark", "refuse"] as const) {
    expect(applyPolicy(policy, check("brightness", text("1")))).toEqual({ type: "store", value: 1 });
    expect(applyPolicy(policy, check("colour", text("x")))).toEqual({ type: "store", value: "x" });
  }
});

test("[U12] commands are those of the class, with parameters in their types", () => {
  expect(checkCommand(light, "blink", { times: "3" })).toEqual({ value: { times: 3 } });
  expect(checkCommand(light, "reset", {})).toEqual({ value: {} });
  expect(checkCommand(light, "blink", { times: 0 })).toEqual({ reason: "times: expected an integer above 0, found 0" });
  expect(checkCommand(light, "blink", {})).toEqual({ reason: "times is missing" });
  expect(checkCommand(light, "reset", { now: true })).toEqual({ reason: '"now" is not known' });
  expect(checkCommand(light, "explode", {})).toEqual({
    reason: 'light has no command "explode"; it takes blink, reset',
  });
});

test("[U12] whatever is posted, there is a verdict, and what fits once fits again as it was stored", () => {
  const json = fc.jsonValue({ maxDepth: 3 }).map((made) => value(made as PlainValue));
  const place = fc.constantFrom("state", "brightness", "rgb", "warm", "light", "light/rgb", "other", "rgb/0");
  const near = fc.constantFrom("On", "1", "0", "255", " 12 ", "true", "x", "").map(text);
  fc.assert(
    fc.property(place, fc.oneof(json, near), (where, posted) => {
      const verdict = check(where, posted);
      if (verdict.type === "fits") expect(check(where, value(verdict.value))).toEqual(verdict);
    }),
  );
});
