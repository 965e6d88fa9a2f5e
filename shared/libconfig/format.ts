// Prints settings as text that reads back as the same settings. Comments and layout of an earlier text are not kept.
import { quoteString } from "./quoted.ts";
import type { Scalar, Setting, Value } from "./setting.ts";

const int32Max = 2 ** 31 - 1;

/** One setting per line, groups indented. */
export function formatConfig(settings: readonly Setting[], indent = ""): string {
  return settings.map((setting) => formatSetting(setting, indent)).join("");
}

/** A value on one line. */
export function formatValue(value: Value): string {
  switch (value.type) {
    case "group":
      return `{ ${value.settings.map((setting) => `${setting.name} = ${formatValue(setting.value)}; `).join("")}}`;
    case "list":
      return value.items.length === 0 ? "( )" : `( ${value.items.map(formatValue).join(", ")} )`;
    case "array":
      return value.items.length === 0 ? "[ ]" : `[ ${value.items.map(formatValue).join(", ")} ]`;
    case "string":
    case "integer":
    case "float":
    case "boolean":
      return formatScalar(value);
  }
}

function formatSetting({ name, value }: Setting, indent: string): string {
  if (value.type !== "group") return `${indent}${name} = ${formatValue(value)};\n`;
  return `${indent}${name}:\n${indent}{\n${formatConfig(value.settings, `${indent}  `)}${indent}};\n`;
}

function formatScalar(scalar: Scalar): string {
  switch (scalar.type) {
    case "string":
      return quoteString(scalar.value);
    case "boolean":
      return scalar.value ? "true" : "false";
    case "integer":
      // Other readers of libconfig take 32 bits where the suffix is missing.
      return scalar.value > int32Max || scalar.value < -int32Max - 1 ? `${scalar.value}L` : `${scalar.value}`;
    case "float": {
      const text = Object.is(scalar.value, -0) ? "-0" : String(scalar.value);
      return /[.e]/.test(text) ? text : `${text}.0`;
    }
  }
}
