// What the names and calls of a condition mean: on a node itself everything is known, in a summary of other nodes only some of it.
import type { Condition } from "./condition.ts";
import type { DataStatistics } from "./data.ts";
import { fieldsOf, type Subject } from "./subject.ts";
import { dataValue } from "./data.ts";
import { quoteBriefly } from "./position.ts";
import { anything } from "./unknown.ts";
import { failure, type Failure, type Unknown, type Value } from "./value.ts";

export interface View {
  /** A name that no macro has declared. */
  name(name: string): Value;
  /** `data(path)` and `kv(path)`. */
  read(from: "data" | "kv", path: string): Value;
  /** The definition behind `cond.<name>`. */
  named(name: string): Condition | Failure | Unknown;
}

/** A node's view of itself: what it does not know fails. */
export function viewOf(subject: Subject): View {
  const fields = fieldsOf(subject);
  return {
    name: (name) => fields.get(name) ?? failure(`${quoteBriefly(name)} is not known here`),
    read(from, path) {
      if (from === "kv") return failure("kv() is not known here"); // there are no values yet
      const statistics: DataStatistics | undefined = subject.data?.(path);
      return statistics === undefined
        ? failure(`nothing has been published on ${quoteBriefly(`/data/${path}`)} here`)
        : dataValue(statistics);
    },
    named: (name) => subject.named?.get(name) ?? failure(`${quoteBriefly(`cond.${name}`)} is not defined here`),
  };
}

/** A view from elsewhere, where `fields` are all that is known: the rest may be anything. */
export function viewFromElsewhere(fields: ReadonlyMap<string, Value>): View {
  return {
    name: (name) => fields.get(name) ?? anything,
    read: () => anything,
    named: () => anything,
  };
}
