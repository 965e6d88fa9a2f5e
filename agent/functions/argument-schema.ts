// JSON Schema (2020-12) of a function's arguments. A schema comes from a program and arguments come from far away, so both are
// bounded, and so is what the one costs with the other; a schema that refers to itself is refused. Interpreted, never made into code.
import { Validator } from "@cfworker/json-schema";
import { limits } from "#shared/limits.ts";
import { toJsonValue, type PlainValue } from "#shared/machine/plain-value.ts";
import { isAffordable, type Part } from "./schema-steps.ts";

/** Why arguments are refused; undefined: they are right. */
export type ArgumentCheck = (args: PlainValue) => string | undefined;

/** Reads a schema. `unusable` says why it cannot be one. */
export function compileSchema(payload: Uint8Array): ArgumentCheck | { readonly unusable: string } {
  if (payload.length > limits.schemaBytes) return { unusable: `it has more than ${limits.schemaBytes} bytes` };
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return { unusable: "it is no JSON" };
  }
  try {
    return checkBy(new Reader(root).read());
  } catch (error) {
    if (error instanceof Unusable) return { unusable: error.message };
    throw error;
  }
}

function checkBy(schema: Part): ArgumentCheck {
  const validator = new Validator(schema, "2020-12");
  return (args) => {
    const value = toJsonValue(args);
    if (!isAffordable(schema, value))
      return `the arguments are too many for its schema: to check them takes more than ${limits.schemaSteps} steps`;
    const { valid, errors } = validator.validate(value);
    if (valid) return undefined;
    // The innermost one says what is wrong, those around it that something within is. "false" allows nothing at all: what led there counts.
    const error = errors.findLast(({ keyword }) => keyword !== "false") ?? errors.at(-1);
    const place = (error?.instanceLocation ?? "#").slice(1);
    return `the arguments are not what it takes: ${place === "" ? "" : `${place}: `}${error?.error ?? "see its schema"}`;
  };
}

class Unusable extends Error {}

const single = [
  "additionalProperties",
  "contains",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
] as const;
const lists = ["allOf", "anyOf", "oneOf", "prefixItems"] as const;
const maps = ["dependentSchemas", "properties"] as const;
const numbers = [
  "exclusiveMaximum",
  "exclusiveMinimum",
  "maxContains",
  "maxItems",
  "maxLength",
  "maxProperties",
  "maximum",
  "minContains",
  "minItems",
  "minLength",
  "minProperties",
  "minimum",
  "multipleOf",
] as const;
/** They say nothing about what is valid here: a format is a note [JSON Schema 2020-12, 7.2.1]. */
const notes = [
  "$comment",
  "$defs",
  "$id",
  "$schema",
  "default",
  "definitions",
  "deprecated",
  "description",
  "examples",
  "format",
  "readOnly",
  "title",
  "writeOnly",
] as const;
const types = ["array", "boolean", "integer", "null", "number", "object", "string"] as const;

type Fields = Readonly<Record<string, unknown>>;

/** Makes a schema of known keywords out of what was received: `$ref` written out, notes left out. */
class Reader {
  readonly #root: unknown;
  readonly #definitions: Fields;
  #parts = 0;

  constructor(root: unknown) {
    this.#root = root;
    const { $defs, definitions } = isFields(root) ? root : {};
    const entries = { "#/$defs/": $defs, "#/definitions/": definitions };
    this.#definitions = Object.fromEntries(
      Object.entries(entries).flatMap(([prefix, schemas]) =>
        isFields(schemas) ? Object.entries(schemas).map(([name, schema]) => [`${prefix}${name}`, schema]) : [],
      ),
    );
  }

  read(): Part {
    return this.#part(this.#root, []);
  }

  /** `within`: the references that led here. */
  #part(value: unknown, within: readonly string[]): Part {
    if (++this.#parts > limits.schemaParts)
      throw new Unusable(`it has more than ${limits.schemaParts} parts, with what it refers to`);
    if (typeof value === "boolean") return value;
    if (!isFields(value)) throw new Unusable("a schema must be an object, true or false");
    const { $ref, ...keywords } = value;
    const part: Record<string, unknown> = {};
    for (const [keyword, content] of Object.entries(keywords)) {
      if (!has(notes, keyword)) part[keyword] = this.#content(keyword, content, within);
    }
    checkUnique(keywords);
    return $ref === undefined ? part : { allOf: [this.#referred($ref, within), part] };
  }

  #content(keyword: string, content: unknown, within: readonly string[]): unknown {
    if (has(single, keyword)) return this.#part(content, within);
    if (has(lists, keyword)) return listOf(keyword, content).map((schema) => this.#part(schema, within));
    if (has(maps, keyword)) {
      const entries = Object.entries(fieldsOf(keyword, content));
      return Object.fromEntries(entries.map(([name, schema]) => [name, this.#part(schema, within)]));
    }
    checkPlain(keyword, content);
    return content;
  }

  #referred(reference: unknown, within: readonly string[]): Part {
    if (typeof reference !== "string" || !Object.hasOwn(this.#definitions, reference))
      throw new Unusable('$ref must name one of its own $defs, such as "#/$defs/speed"');
    if (within.includes(reference)) throw new Unusable(`"${reference.slice(0, 64)}" refers to itself`);
    return this.#part(this.#definitions[reference], [...within, reference]);
  }
}

/** Keywords whose content is no schema. */
function checkPlain(keyword: string, content: unknown): void {
  const isRight = has(numbers, keyword)
    ? typeof content === "number"
    : keyword === "type"
      ? [content].flat().every((type) => types.some((known) => known === type))
      : keyword === "required"
        ? isNames(content)
        : keyword === "dependentRequired"
          ? Object.values(fieldsOf(keyword, content)).every(isNames)
          : keyword === "enum"
            ? Array.isArray(content)
            : keyword === "uniqueItems"
              ? typeof content === "boolean"
              : keyword === "const" || undefined;
  if (isRight === undefined) throw new Unusable(`"${keyword.slice(0, 64)}" is not supported`);
  if (!isRight) throw new Unusable(`"${keyword}" has a content that it cannot have`);
}

/** Each item is compared with each other one. */
function checkUnique({ uniqueItems, maxItems }: Fields): void {
  if (uniqueItems === true && !(typeof maxItems === "number" && maxItems <= limits.schemaUniqueItems))
    throw new Unusable(`"uniqueItems" needs "maxItems" beside it, at most ${limits.schemaUniqueItems}`);
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function listOf(keyword: string, content: unknown): readonly unknown[] {
  if (!Array.isArray(content)) throw new Unusable(`"${keyword}" must be a list`);
  return content;
}

function fieldsOf(keyword: string, content: unknown): Fields {
  if (!isFields(content)) throw new Unusable(`"${keyword}" must be an object`);
  return content;
}

function has<const T extends string>(keywords: readonly T[], keyword: string): keyword is T {
  return keywords.some((known) => known === keyword);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
