// The settings of a file, by key. A setting that no part knows is an error: it is a typing mistake.
import { FogbankError } from "#shared/errors.ts";
import { formatPosition } from "#shared/libconfig/position.ts";
import type { Setting } from "#shared/libconfig/setting.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { Sourced } from "./origin.ts";
import { type ConfigKey, configKeys, isConfigKey } from "./schema.ts";
import { describeValue } from "./value-error.ts";

/** Throws FOGBANK_CONFIG_INVALID at the first setting that is unknown, or not a group where it must be one. */
export function valuesOfFile(settings: readonly Setting[]): Map<ConfigKey, Sourced> {
  const values = new Map<ConfigKey, Sourced>();
  collect(settings, "", values);
  return values;
}

/** `prefix` is the path of the group around `settings`, with a dot behind it. */
function collect(settings: readonly Setting[], prefix: string, values: Map<ConfigKey, Sourced>): void {
  for (const { name, value, at } of settings) {
    const key = prefix + name;
    if (isConfigKey(key)) {
      values.set(key, { value, origin: { type: "file" } });
      continue;
    }
    if (!configKeys.some((known) => known.startsWith(`${key}.`))) {
      throw new FogbankError("FOGBANK_CONFIG_INVALID", `${formatPosition(at)}: ${unknownSetting(name, prefix)}`);
    }
    if (value.type !== "group") {
      const message = `${formatPosition(value.at)}: ${key}: expected a group { }, found ${describeValue(value)}`;
      throw new FogbankError("FOGBANK_CONFIG_INVALID", message);
    }
    collect(value.settings, `${key}.`, values);
  }
}

function unknownSetting(name: string, prefix: string): string {
  const siblings = configKeys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  const names = [...new Set(siblings.map((key) => key.replace(/\..*/, "")))];
  const place = prefix === "" ? "" : ` in ${prefix.slice(0, -1)}`;
  const hint = didYouMean(name, names) || `; known here: ${names.join(", ")}`;
  return `unknown setting "${name.slice(0, 80)}"${place}${hint}`;
}
