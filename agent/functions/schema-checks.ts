// Arguments held against the schema of a function: what its programs have announced on the bus, or what lies beside its executable.
import { limits } from "#shared/limits.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import type { Bus } from "#shared/system/bus.ts";
import { schemaFilter, schemaPrefix, schemaTopic } from "#shared/topics.ts";
import { compileSchema } from "./argument-schema.ts";
import type { SchemaFile } from "./executable-files.ts";

export interface SchemaChecks extends Disposable {
  /** Why the arguments of `name` are refused by what its programs have announced. */
  ofPrograms(name: string, args: PlainValue): string | undefined;
  /** Why they are refused by this schema. Undefined: there is none, or they are right. */
  by(schema: SchemaFile | undefined, args: PlainValue): string | undefined;
}

/** Refuses schemas that cannot be used where they are announced, for as long as it is not disposed. */
export function startSchemaChecks(bus: Pick<Bus, "intercept" | "retainedPayload">): SchemaChecks {
  /** By the schema's text, the one used last at the end. */
  const compiled = new Map<string, ReturnType<typeof compileSchema>>();
  const announced = bus.intercept(schemaFilter, ({ topic, payload }, settle) => {
    const problem = payload.length === 0 ? undefined : problemOf(topic.slice(schemaPrefix.length), payload);
    settle(problem === undefined ? { type: "pass" } : { type: "refuse", reason: problem, now: true });
  });
  return {
    ofPrograms: (name, args) => by(bus.retainedPayload(schemaTopic(name)), args),
    by,
    [Symbol.dispose]: () => announced[Symbol.dispose](),
  };

  function by(schema: SchemaFile | undefined, args: PlainValue): string | undefined {
    if (schema === undefined) return undefined;
    if ("unreadable" in schema) return `the schema of its arguments cannot be read: ${schema.unreadable}`;
    const check = compile(schema);
    return typeof check === "function" ? check(args) : `the schema of its arguments cannot be used: ${check.unusable}`;
  }

  function problemOf(name: string, payload: Uint8Array): string | undefined {
    if (!isFunctionName(name)) return `"${name.slice(0, 80)}" cannot be a function's name`;
    const check = compile(payload);
    return typeof check === "function" ? undefined : `this schema cannot be used: ${check.unusable}`;
  }

  function compile(schema: Uint8Array): ReturnType<typeof compileSchema> {
    if (schema.length > limits.schemaBytes) return compileSchema(schema);
    const text = new TextDecoder("latin1").decode(schema);
    const known = compiled.get(text) ?? compileSchema(schema);
    compiled.delete(text);
    compiled.set(text, known);
    const [oldest] = compiled.keys();
    if (compiled.size > limits.schemasKept && oldest !== undefined) compiled.delete(oldest);
    return known;
  }
}
