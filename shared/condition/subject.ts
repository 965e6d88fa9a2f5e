// What a condition sees of a node.
import type { Condition } from "./condition.ts";
import type { DataStatistics } from "./data.ts";
import { double, int, string, type Value } from "./value.ts";

/** What a condition may ask about a node. What is absent is unknown, and not equal to anything. */
export interface Subject {
  readonly level?: string | undefined;
  readonly name?: string | undefined;
  readonly zone?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Levels below the root. */
  readonly depth?: number | undefined;
  /** Degrees. */
  readonly lat?: number | undefined;
  readonly lon?: number | undefined;
  readonly class?: string | undefined;
  /** What has been published lately on the topic `/data/<path>` of this node. */
  readonly data?: ((path: string) => DataStatistics | undefined) | undefined;
  /** The conditions that this node's configuration gives a name, by that name. */
  readonly named?: ReadonlyMap<string, Condition> | undefined;
}

/** The fields that are known, by name: a map, so that no name meets a property that every object has. */
export function fieldsOf(subject: Subject): ReadonlyMap<string, Value> {
  const fields = new Map<string, Value>();
  for (const name of ["level", "name", "zone", "class"] as const) {
    const text = subject[name];
    if (text !== undefined) fields.set(name, string(text));
  }
  for (const name of ["lat", "lon"] as const) {
    const degrees = subject[name];
    if (degrees !== undefined) fields.set(name, double(degrees));
  }
  if (subject.tags !== undefined) fields.set("tags", { type: "list", items: subject.tags.map(string) });
  if (Number.isSafeInteger(subject.depth)) fields.set("depth", int(BigInt(subject.depth ?? 0)));
  return fields;
}
