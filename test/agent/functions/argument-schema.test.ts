import { expect, test } from "vitest";
import { compileSchema } from "#agent/functions/argument-schema.ts";
import { limits } from "#shared/limits.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";

function compile(schema: unknown) {
  return compileSchema(new TextEncoder().encode(typeof schema === "string" ? schema : JSON.stringify(schema)));
}

function check(schema: unknown, args: PlainValue): string | undefined {
  const compiled = compile(schema);
  if (typeof compiled !== "function") throw new Error(compiled.unusable);
  return compiled(args);
}

const speed = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    speed: { $ref: "#/$defs/speed" },
    names: { type: "array", items: { type: "string", format: "email" } },
  },
  required: ["speed"],
  additionalProperties: false,
  $defs: { speed: { type: "integer", minimum: 0, maximum: 100, title: "percent" } },
};

test("arguments that fit are let through, a format is only a note", () => {
  expect(check(speed, { speed: 3, names: ["no address"] })).toBeUndefined();
  expect(check(true, "anything")).toBeUndefined();
  expect(check({ anyOf: [{ type: "null" }, { const: "all" }] }, null)).toBeUndefined();
});

test.each([
  [{ speed: 101 }, "/speed: 101 is greater than 100"],
  [{ speed: 1.5 }, '/speed: Instance type "number" is invalid. Expected "integer"'],
  [{ names: [] }, 'Instance does not have required property "speed"'],
  [{ speed: 1, more: 1 }, 'Property "more" does not match additional properties schema'],
  [{ speed: 1, names: ["a", 2] }, '/names/1: Instance type "number" is invalid'],
  [null, 'Instance type "null" is invalid'],
])("%j is refused with the place and the reason", (args, reason) => {
  expect(check(speed, args)).toContain(`the arguments are not what it takes: ${reason}`);
});

test("a reference holds together with what stands beside it", () => {
  const both = { $defs: { a: { minimum: 1 } }, $ref: "#/$defs/a", maximum: 3, allOf: [{ multipleOf: 2 }] };
  expect([0, 1, 2, 4].map((value) => check(both, value) === undefined)).toEqual([false, false, true, false]);
});

const doubling = {
  $defs: Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [
      `a${index}`,
      { allOf: [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }] },
    ]).concat([["a20", true]] as never),
  ),
  $ref: "#/$defs/a0",
};

test.each([
  ["{", "it is no JSON"],
  ["5", "a schema must be an object, true or false"],
  [{ pattern: "(a+)+$" }, '"pattern" is not supported'],
  [{ properties: { a: { patternProperties: {} } } }, '"patternProperties" is not supported'],
  [{ $ref: "https://example.org/schema" }, "$ref must name one of its own $defs"],
  [{ $ref: "#/properties/a", properties: { a: true } }, "$ref must name one of its own $defs"],
  [{ $defs: { a: { not: { $ref: "#/$defs/a" } } }, $ref: "#/$defs/a" }, '"#/$defs/a" refers to itself'],
  [{ allOf: {} }, '"allOf" must be a list'],
  [{ properties: [] }, '"properties" must be an object'],
  [{ type: "text" }, '"type" has a content that it cannot have'],
  [{ minimum: "1" }, '"minimum" has a content that it cannot have'],
  [{ required: [1] }, '"required" has a content that it cannot have'],
  [doubling, `it has more than ${limits.schemaParts} parts`],
  [" ".repeat(limits.schemaBytes + 1), `it has more than ${limits.schemaBytes} bytes`],
])("a schema that cannot be used is told apart: %j", (schema, reason) => {
  expect(compile(schema)).toMatchObject({ unusable: expect.stringContaining(reason) as string });
});

test("names of arguments are not taken for keywords", () => {
  const schema = { properties: { pattern: { type: "string" }, $ref: { type: "string" }, format: { type: "string" } } };
  expect(check(schema, { pattern: "a", $ref: "b" })).toBeUndefined();
  expect(check(schema, { format: 1 })).toContain("/format");
  expect(check(schema, { $ref: 1 })).toContain("/$ref");
});
