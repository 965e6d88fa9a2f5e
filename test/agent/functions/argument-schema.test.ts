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
  [{ items: { type: "array", uniqueItems: true } }, '"uniqueItems" needs "maxItems" beside it, at most 100'],
  [{ uniqueItems: true, maxItems: 101 }, '"uniqueItems" needs "maxItems" beside it, at most 100'],
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

const many = Array.from({ length: 32_000 }, () => 1);
const parts = Array.from({ length: 900 }, () => ({ minimum: 0 }));
const names = Array.from({ length: 1_500 }, (_, index) => `n${index}`);
const nothings = Array.from({ length: 20_000 }, () => ({}));
const manyObjects = Array.from({ length: 90 }, (_, index) => ({ list: many.slice(0, 300), index }));

test.each<[string, unknown, PlainValue]>([
  ["parts for each item", { items: { allOf: parts } }, many],
  ["parts for each item found", { contains: { not: { anyOf: parts } } }, many],
  ["parts for each field", { additionalProperties: { allOf: parts } }, Object.fromEntries(many.map((n, i) => [i, n]))],
  ["parts for each name", { propertyNames: { allOf: parts } }, Object.fromEntries(many.map((n, i) => [i, n]))],
  ["values for each item", { items: { enum: names } }, many],
  ["a long value for each item", { contains: { const: "x".repeat(10_000) } }, many],
  ["names for each item", { items: { required: names } }, nothings],
  [
    "properties for each item",
    { items: { properties: Object.fromEntries(names.slice(0, 900).map((name) => [name, true])) } },
    nothings,
  ],
  ["comparisons of large items", { uniqueItems: true, maxItems: 100 }, manyObjects],
  ["long texts for each part", { allOf: parts.slice(0, 800).map(() => ({ maxLength: 99_999 })) }, "x".repeat(60_000)],
])("what would take seconds is not begun: %s", (_, schema, args) => {
  expect(check(schema, args)).toBe(
    `the arguments are too many for its schema: to check them takes more than ${limits.schemaSteps} steps`,
  );
});

test("arguments as large as they may be are held against a schema of a usual size", () => {
  const reading = {
    type: "object",
    properties: { time: { type: "integer" }, value: { type: "number" } },
    required: ["time"],
  };
  const readings = Array.from({ length: 2_500 }, (_, time) => ({ time, value: 1.5 }));
  const schema = { type: "array", items: reading, maxItems: 5_000 };
  expect(check(schema, readings)).toBeUndefined();
  expect(check({ items: { type: "integer", minimum: 0 } }, many)).toBeUndefined();
  expect(check({ items: { type: "string" }, uniqueItems: true, maxItems: 100 }, names.slice(0, 100))).toBeUndefined();
  expect(check({ uniqueItems: true, maxItems: 100 }, [1, 2, 1])).toContain("the arguments are not what it takes");
});
