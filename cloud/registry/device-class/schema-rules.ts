// What the simple types of XML Schema, and what narrows them, mean for a value.
import type { ValueLimit, ValueRule } from "#shared/registry/value-rule.ts";

const integers: Readonly<Record<string, readonly [number, number]>> = {
  byte: [-128, 127],
  unsignedByte: [0, 255],
  short: [-32_768, 32_767],
  unsignedShort: [0, 65_535],
  int: [-2_147_483_648, 2_147_483_647],
  unsignedInt: [0, 4_294_967_295],
  // Beyond 2^53 nothing is kept exactly, so these have no limits of their own.
  long: [-Infinity, Infinity],
  unsignedLong: [0, Infinity],
  integer: [-Infinity, Infinity],
  nonNegativeInteger: [0, Infinity],
  positiveInteger: [1, Infinity],
  nonPositiveInteger: [-Infinity, 0],
  negativeInteger: [-Infinity, -1],
};

const others: Readonly<Record<string, ValueRule>> = {
  decimal: { kind: "decimal" },
  float: { kind: "float" },
  double: { kind: "float" },
  boolean: { kind: "boolean" },
  string: { kind: "string" },
  token: { kind: "string", isCollapsed: true },
};

/** The rule of a type of XML Schema itself, or why there is none. */
export function builtInRule(name: string): ValueRule | string {
  if (Object.hasOwn(integers, name)) {
    const [least = -Infinity, most = Infinity] = integers[name] ?? [];
    return { kind: "integer", ...limited("least", least), ...limited("most", most) };
  }
  const rule = Object.hasOwn(others, name) ? others[name] : undefined;
  if (rule !== undefined) return rule;
  return `the type ${name.slice(0, 40)} is not supported: use ${[...Object.keys(integers), ...Object.keys(others)].join(", ")}`;
}

/** `rule` with one facet of a restriction, or why that cannot be. A facet only ever takes something away. */
export function narrowRule(rule: ValueRule, facet: string, text: string): ValueRule | string {
  const value = /^[-+.0-9eE]{1,40}$/.test(text.trim()) ? Number(text) : NaN;
  if (Number.isNaN(value)) return isKnown(facet) ? `${facet} needs a number` : unsupported(facet);
  switch (facet) {
    case "minInclusive":
      return { ...rule, least: higher(rule.least, { value, isOut: false }) };
    case "minExclusive":
      return { ...rule, least: higher(rule.least, { value, isOut: true }) };
    case "maxInclusive":
      return { ...rule, most: lower(rule.most, { value, isOut: false }) };
    case "maxExclusive":
      return { ...rule, most: lower(rule.most, { value, isOut: true }) };
    case "length":
      return { ...rule, lengthMin: value, lengthMax: value };
    case "minLength":
      return { ...rule, lengthMin: Math.max(rule.lengthMin ?? 0, value) };
    case "maxLength":
      return { ...rule, lengthMax: Math.min(rule.lengthMax ?? Infinity, value) };
    default:
      return unsupported(facet);
  }
}

const facets = ["minInclusive", "minExclusive", "maxInclusive", "maxExclusive", "length", "minLength", "maxLength"];

function isKnown(facet: string): boolean {
  return facets.includes(facet);
}

function unsupported(facet: string): string {
  return `${facet} is not supported in device classes: use enumeration, ${facets.join(", ")}`;
}

function limited(name: "least" | "most", value: number): Pick<ValueRule, "least" | "most"> {
  return Number.isFinite(value) ? { [name]: { value, isOut: false } } : {};
}

function higher(a: ValueLimit | undefined, b: ValueLimit): ValueLimit {
  if (a === undefined || b.value > a.value) return b;
  return a.value > b.value || a.isOut ? a : b;
}

function lower(a: ValueLimit | undefined, b: ValueLimit): ValueLimit {
  if (a === undefined || b.value < a.value) return b;
  return a.value < b.value || a.isOut ? a : b;
}
