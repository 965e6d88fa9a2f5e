// Settings given as text: environment variables called FOGBANK_…, and flags with the path of a key.
import { FogbankError } from "#shared/errors.ts";
import { parseValue } from "#shared/libconfig/libconfig.ts";
import { fromPlain, type Value } from "#shared/libconfig/setting.ts";
import { didYouMean } from "./did-you-mean.ts";
import type { Sourced } from "./origin.ts";
import { type ConfigKey, configKeys, isConfigKey, takesOf } from "./schema.ts";

const prefix = "FOGBANK_";
/** Variables of the test suite. */
const testPrefix = "FOGBANK_TEST_";

const keysByVariable: ReadonlyMap<string, ConfigKey> = new Map(configKeys.map((key) => [variableOf(key), key]));

/** The variable that sets `key`: `listen.mqtt` is FOGBANK_LISTEN_MQTT. */
export function variableOf(key: ConfigKey): string {
  return prefix + key.toUpperCase().replace(/[.-]/g, "_");
}

/**
 * What the environment sets. An unknown FOGBANK_… variable is a warning and no error: container platforms
 * inject such names for services next door. An empty one counts as not set: compose files leave those behind.
 */
export function valuesOfEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly values: ReadonlyMap<ConfigKey, Sourced>;
  readonly warnings: readonly string[];
} {
  const values = new Map<ConfigKey, Sourced>();
  const warnings: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (text === undefined || !variable.startsWith(prefix) || variable.startsWith(testPrefix)) continue;
    const key = keysByVariable.get(variable);
    if (key === undefined) {
      const hint = didYouMean(variable.slice(prefix.length), [...keysByVariable.keys()].map(withoutPrefix));
      warnings.push(`environment: unknown variable ${variable} is ignored${hint.replace('"', `"${prefix}`)}`);
    } else if (text === "") {
      warnings.push(`environment: ${variable} is empty and is ignored`);
    } else {
      values.set(key, { value: parseText(key, text, variable), origin: { type: "environment", variable } });
    }
  }
  return { values, warnings };
}

/** What flags set, from the path of a key to its text. Throws FOGBANK_CONFIG_INVALID for an unknown key. */
export function valuesOfFlags(flags: Readonly<Record<string, string>>): ReadonlyMap<ConfigKey, Sourced> {
  const values = new Map<ConfigKey, Sourced>();
  for (const [key, text] of Object.entries(flags)) {
    if (!isConfigKey(key)) {
      const message = `flags: unknown setting "${key.slice(0, 80)}"${didYouMean(key, configKeys)}`;
      throw new FogbankError("FOGBANK_CONFIG_INVALID", message);
    }
    values.set(key, { value: parseText(key, text, `flag ${key}`), origin: { type: "flag" } });
  }
  return values;
}

function withoutPrefix(variable: string): string {
  return variable.slice(prefix.length);
}

function parseText(key: ConfigKey, text: string, source: string): Value {
  const at = { file: source, line: 1, column: 1 };
  switch (takesOf(key)) {
    case "text":
      return fromPlain(text, at);
    case "words":
      return parseList(text, source) ?? fromPlain(wordsOf(text), at);
    case "value":
      return parseValue(text, source);
  }
}

/** Nothing when `text` is not a list in libconfig syntax: an address such as [::1]:1883 only begins like one. */
function parseList(text: string, source: string): Value | undefined {
  if (!/^\s*[[(]/.test(text)) return undefined;
  try {
    return parseValue(text, source);
  } catch (error) {
    if (error instanceof FogbankError && error.code === "FOGBANK_CONFIG_SYNTAX") return undefined;
    throw error;
  }
}

function wordsOf(text: string): string[] {
  return text.trim() === "" ? [] : text.split(",").map((word) => word.trim());
}
