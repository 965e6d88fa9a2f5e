// How much work it is to hold arguments against a schema, counted before it is done: each is bounded by itself, their product is not.
import { limits } from "#shared/limits.ts";

/** A schema of known keywords, without references. */
export type Part = boolean | { readonly [keyword: string]: unknown };

/** Whether `value`, JSON, can be held against `schema` within `limits.schemaSteps`: one is about what takes a microsecond. */
export function isAffordable(schema: Part, value: unknown): boolean {
  return new Budget(limits.schemaSteps).affords(schema, value);
}

const onTheSame = ["else", "if", "not", "then"] as const;
const listsOnTheSame = ["allOf", "anyOf", "oneOf"] as const;
const onItems = ["contains", "items", "unevaluatedItems"] as const;
const onFields = ["additionalProperties", "unevaluatedProperties"] as const;
/** JSON characters of what is compared, and of a text whose length is measured, for one step. */
const charsPerStep = 16;

class Budget {
  #left: number;
  /** What a part takes whatever it is held against. */
  readonly #weights = new Map<Part, number>();

  constructor(steps: number) {
    this.#left = steps;
  }

  affords(part: Part, value: unknown): boolean {
    if (typeof part === "boolean") return this.#spend(1);
    return (
      this.#spend(this.#weightOf(part)) &&
      partsOf(part, onTheSame).every((sub) => this.affords(sub, value)) &&
      listsOnTheSame.every((keyword) => listOf(part[keyword]).every((sub) => this.affords(sub, value))) &&
      this.#affordsWithin(part, value)
    );
  }

  #affordsWithin(part: Exclude<Part, boolean>, value: unknown): boolean {
    if (typeof value === "string") return this.#spend(Math.ceil(value.length / charsPerStep));
    if (typeof value !== "object" || value === null) return true;
    return Array.isArray(value) ? this.#affordsItems(part, value) : this.#affordsFields(part, value);
  }

  #affordsItems(part: Exclude<Part, boolean>, items: readonly unknown[]): boolean {
    // Each item is compared with all that come behind it.
    const comparing = part["uniqueItems"] === true ? items.length * valuesIn(items) : 0;
    const subs = partsOf(part, onItems);
    return (
      this.#spend(items.length + comparing) &&
      listOf(part["prefixItems"]).every((sub, index) => index >= items.length || this.affords(sub, items[index])) &&
      subs.every((sub) => items.every((item) => this.affords(sub, item)))
    );
  }

  #affordsFields(part: Exclude<Part, boolean>, value: object): boolean {
    const fields = Object.entries(value);
    const subs = partsOf(part, onFields);
    const properties = mapOf(part["properties"]);
    return (
      this.#spend(fields.length) &&
      subs.every((sub) => fields.every(([, field]) => this.affords(sub, field))) &&
      partsOf(part, ["propertyNames"]).every((sub) => fields.every(([name]) => this.affords(sub, name))) &&
      fields.every(
        ([name, field]) => !Object.hasOwn(properties, name) || this.affords(properties[name] ?? true, field),
      ) &&
      Object.values(mapOf(part["dependentSchemas"])).every((sub) => this.affords(sub, value))
    );
  }

  #weightOf(part: Exclude<Part, boolean>): number {
    const known = this.#weights.get(part);
    if (known !== undefined) return known;
    const { const: only, enum: all, required, dependentRequired, properties, dependentSchemas } = part;
    const compared = JSON.stringify([only, all, required, dependentRequired]).length / charsPerStep;
    const named = Object.keys(mapOf(properties)).length + Object.keys(mapOf(dependentSchemas)).length;
    const weight = 1 + Math.ceil(compared + named);
    this.#weights.set(part, weight);
    return weight;
  }

  #spend(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }
}

/** Of arrays and objects with all that is in them. */
function valuesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, entry) => sum + valuesIn(entry), 1);
}

function partsOf(part: Exclude<Part, boolean>, keywords: readonly string[]): readonly Part[] {
  return keywords.flatMap((keyword) => (part[keyword] === undefined ? [] : [part[keyword] as Part]));
}

function listOf(content: unknown): readonly Part[] {
  return (content ?? []) as readonly Part[];
}

function mapOf(content: unknown): { readonly [name: string]: Part } {
  return (content ?? {}) as { readonly [name: string]: Part };
}
