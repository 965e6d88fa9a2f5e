// A value and who set it.
import { formatPosition } from "#shared/libconfig/position.ts";
import type { Value } from "#shared/libconfig/setting.ts";
import type { ConfigKey } from "./schema.ts";

export type Origin =
  | { readonly type: "default" }
  /** At the position of the value. */
  | { readonly type: "file" }
  | { readonly type: "environment"; readonly variable: string }
  | { readonly type: "flag" };

export interface Sourced {
  readonly value: Value;
  readonly origin: Origin;
}

/** The values that one source sets. */
export type ValuesByKey = ReadonlyMap<ConfigKey, Sourced>;

/** Who set the value, or a part of it: `fog.conf:3:9`, `environment FOGBANK_LEVEL`, `flag level`. */
export function formatOrigin(key: ConfigKey, { value, origin }: Sourced): string {
  switch (origin.type) {
    case "default":
      return "default";
    case "file":
      return formatPosition(value.at);
    case "environment":
      return `environment ${origin.variable}`;
    case "flag":
      return `flag ${key}`;
  }
}
